package topics

// tries are the partitions of publications that a client has tried lately, so that one that it tries again goes where it went before,
// also if the topic has got more partitions meanwhile: a partition knows only what was published to itself.
type tries struct {
	partitions map[try]int
	order      []try // a ring, once there are mostTries
	oldest     int
}

// try names a publication.
type try struct {
	topic string
	once  Once
}

// mostTries bounds those that are remembered.
const mostTries = 4096

func (l *tries) note(t try, partition int) {
	if _, known := l.partitions[t]; known {
		return
	}
	if l.partitions == nil {
		l.partitions = map[try]int{}
	}
	if len(l.order) < mostTries {
		l.order = append(l.order, t)
	} else {
		delete(l.partitions, l.order[l.oldest])
		l.order[l.oldest] = t
		l.oldest = (l.oldest + 1) % mostTries
	}
	l.partitions[t] = partition
}

// partitionOf is where a publication goes: where it went when it was tried before, if this client knows that.
func (c *Client) partitionOf(topic string, r *Record, once Once, n int) int {
	if once.Producer == "" {
		return c.partitionBy(r, once, n)
	}
	t := try{topic, once}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range []*tries{&c.failed, &c.published} {
		if p, known := l.partitions[t]; known && p < n { // one of that name with fewer may have taken the topic's place
			return p
		}
	}
	return c.partitionBy(r, once, n)
}

// tried notes where a publication went. Those that failed are apart, since it is them that are tried again: however many succeed
// meanwhile, they are not forgotten.
func (c *Client) tried(topic string, once Once, partition int, err error) {
	if once.Producer == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed.note(try{topic, once}, partition)
		return
	}
	c.published.note(try{topic, once}, partition)
}
