// Tests of troupe.ts itself. selftest() gives the number of failures, and says the first by host.error.
import { matches, number, percent, bytes, milliseconds, setting, settingOf, settingsBelow, pol_configure, refuse } from "./troupe";
export { pol_abi_1, pol_alloc, pol_state, pol_configure } from "./troupe";

let failed = 0;

function expect(got: string, want: string): void {
  if (got == want) return;
  if (failed == 0) refuse(got + ", and wanted " + want);
  failed++;
}

function configure(json: string): string {
  const data = String.UTF8.encode(json);
  return pol_configure(changetype<usize>(data), data.byteLength) == 0 ? "taken" : "refused";
}

export function selftest(): i32 {
  failed = 0;
  const patterns: string[][] = [
    ["*", "", "true"], ["a*c", "abbc", "true"], ["a*b*c", "aXbYbZc", "true"], ["a*c", "abbd", "false"], ["", "a", "false"], ["*a*", "bab", "true"], ["a", "ab", "false"],
  ];
  for (let i = 0; i < patterns.length; i++) expect(patterns[i][0] + " " + matches(patterns[i][0], patterns[i][1]).toString(), patterns[i][0] + " " + patterns[i][2]);

  expect(percent(0.12345) + " " + percent(1536), "12.3% 153600%");
  expect(bytes(1536) + " " + bytes(3377699720527872), "1.5KB 3PB");
  expect(number(-0.005, 2) + " " + number(1.05, 2) + " " + number(2, 2) + " " + number(1e19, 0), "-0.01 1.05 2 more than 10^18");
  expect(milliseconds(90061500) + " " + milliseconds(-250) + " " + milliseconds(0), "25h1m1.5s -250ms 0s");

  expect(configure(' {"settings":{"a":"x\\"\\u00e9\\ud83d\\ude00\\n\\/","b":-12.5e2,"c":true,"d":["p", "q"],"f.x":"1","f.y":"2"},"keyspaces":{"orders":{"b":7}}} '), "taken");
  expect(setting("a").text, 'x"é😀\n/');
  expect(setting("b").number.toString() + " " + settingOf("orders", "b").number.toString() + " " + settingOf("others", "b").number.toString(), "-1250.0 7.0 -1250.0");
  expect(setting("c").flag.toString() + " " + setting("missing").flag.toString(), "true false");
  expect(setting("d").list.join("+"), "p+q");
  const below = settingsBelow("", "f.");
  expect(below.length.toString() + below[1].name + below[1].text, "2f.y2");
  expect(configure('{"settings":{"b":0e400,"d":1' + "0".repeat(350) + 'e-350},"keyspaces":{}}'), "taken");
  expect(setting("b").number.toString() + " " + setting("d").number.toString(), "0.0 0.0");
  const bad = ["", "{", '{"settings":{"a":}}', '{"settings":{"a":"x}}', '{"other":{}}', '{"settings":{"a":1}', '{"settings":{"a":[1]}}', '{"settings":{}}x', '{"settings":{"a":"\\ud80x"}}'];
  for (let i = 0; i < bad.length; i++) expect(bad[i] + " " + configure(bad[i]), bad[i] + " refused");
  return failed;
}
