// The kind that all SDKs are held equal by, in AssemblyScript; see manifest.json.
import { method, onReply, onMigrate, getInteger, put, putInteger, del, scan, reply, refuse, refuseFor, tell, ask, remind, forget, randomBelow, self, sender, nameOf, peer, event, now, token, answered, json, quote, Json, Kind } from "../../assemblyscript/troupe_actor";
export { act_abi_1, act_inbox, act_handle, act_migrate } from "../../assemblyscript/troupe_actor";

function change(by: i64): i32 {
  const count = getInteger("count") + by;
  if (count < 0) return refuse(7, `${self()} would be below zero, at ${count}`);
  putInteger("count", count);
  return reply(count.toString());
}

method("add", (request: Json): i32 => change(request.integer));

method("value", (request: Json): i32 => reply(getInteger("count").toString()));

method("note", (request: Json): i32 => {
  for (let i = 0; i < request.items.length; i++) {
    const key = "note/" + request.names[i];
    if (request.items[i].kind == Kind.Text) put(key, quote(request.items[i].text));
    else del(key);
  }
  let count = 0;
  for (const s = scan("note/"); s.next(); ) count++;
  return reply(count.toString());
});

method("notes", (request: Json): i32 => {
  let all = "";
  for (const s = scan("note/"); s.next(); ) all += (all.length ? "," : "") + quote(s.key.substring(5)) + ":" + quote(json(s.value).text);
  return reply("{" + all + "}");
});

method("pay", (request: Json): i32 => {
  const amount = request.get("amount").integer;
  if (amount <= 0) return refuseFor("bad-amount", 8, `an amount of ${amount}`);
  tell(peer(request.get("to").text), "add", amount.toString());
  return change(-amount);
});

method("compare", (request: Json): i32 => {
  const asked = ask(request.text, "value", "");
  put(`asked/${asked}`, quote(request.text));
  return 0;
});

onReply((answer: Json): i32 => {
  del(`asked/${token()}`);
  put(`heard/${token()}`, `{"from":${quote(sender())},"answered":${answered()},"said":${answer.toString()}}`);
  return 0;
});

method("later", (request: Json): i32 => {
  remind("tick", request.get("after").integer, request.get("every").integer, "add", request.get("amount").integer.toString());
  return reply((now() + request.get("after").integer).toString());
});

method("forget", (request: Json): i32 => {
  forget("tick");
  return 0;
});

method("dice", (request: Json): i32 => {
  let all = "";
  for (let n = request.get("count").integer; n > 0; n--) all += (all.length ? "," : "") + randomBelow(request.get("below").integer).toString();
  return reply("[" + all + "]");
});

method("about", (request: Json): i32 => reply(`{"self":${quote(self())},"name":${quote(nameOf(self()))},"sender":${quote(sender())},"event":${event()},"now":${now()}}`));

// Layout 1 had the sum under "n", and took any.
onMigrate((from: i32): i32 => {
  const n = getInteger("n");
  if (n < 0) return refuse(9, `${self()} has ${n} in layout ${from}`);
  del("n");
  putInteger("count", n);
  return 0;
});
