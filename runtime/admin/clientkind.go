package admin

import (
	"context"
	"net/http"
	"net/url"
)

// Kinds lists the kinds of actors whose code was pushed.
func (c *Client) Kinds(ctx context.Context) (l KindList, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_kind", repeatable: true}, &l)
	return l, err
}

// Kind tells all about one. The error is NotFound if nothing was pushed under that name.
func (c *Client) Kind(ctx context.Context, name string) (k KindInfo, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: kindPath(name, ""), repeatable: true}, &k)
	return k, err
}

func kindPath(name, action string) string { return pushedPath("/_kind/", name, action) }

// RegisterKind makes a module that was pushed the newest version of the kind that its manifest names.
func (c *Client) RegisterKind(ctx context.Context, name, digest string) (p KindPushed, err error) {
	err = c.json(ctx, call{method: http.MethodPut, path: kindPath(name, ""), query: url.Values{"digest": {digest}}, repeatable: true}, &p)
	return p, err
}

// KindModule gives the bytes of a version; 0 is the newest.
func (c *Client) KindModule(ctx context.Context, name string, version int) ([]byte, error) {
	return c.module(ctx, kindPath(name, "module"), version)
}

// UseKind has messages handled by a version.
func (c *Client) UseKind(ctx context.Context, name string, u KindUse) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, kindPath(name, "use"), nil, u)
}

// RollbackKind has messages handled by the version from before. Say in If which one is active: then a repetition does not go forth again.
func (c *Client) RollbackKind(ctx context.Context, name string, u KindUse) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, kindPath(name, "rollback"), nil, u)
}

// ForgetKind drops a kind with its modules. What its actors keep stays where it is.
func (c *Client) ForgetKind(ctx context.Context, name string) (Acknowledged, error) {
	return c.remove(ctx, http.MethodDelete, kindPath(name, ""), "kind "+name)
}

// Actor tells what an actor keeps.
func (c *Client) Actor(ctx context.Context, name ActorName) (i ActorInside, err error) {
	query := url.Values{"actor": {name.Kind + "/" + name.Name}}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_actors/inspect", query: query, repeatable: true}, &i)
	return i, err
}
