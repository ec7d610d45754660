import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../stream/server/page/backoff.js";
import { judged } from "../../stream/server/page/ending.js";
import { boxOnStage } from "../../stream/server/page/framing.js";
import { PICTURE, SOUND, packet } from "../../stream/server/page/packet.js";
import { clockTime, percent, signed, stateInWords } from "../../stream/server/page/wording.js";

test("a packet has kind, rate and time, little endian, then its payload", () => {
  const view = new DataView(packet(SOUND, 48000, 1.5, new Int16Array([1, -2]).buffer));
  const header = [view.getUint8(0), view.getUint8(3), view.getUint32(4, true), view.getFloat64(8, true)];
  assert.deepEqual(header, [1, 0, 48000, 1.5]);
  assert.deepEqual([view.byteLength, view.getInt16(18, true)], [20, -2]);
  assert.equal(new DataView(packet(PICTURE, 0, 0, new ArrayBuffer(3))).byteLength, 19);
});

test("waits grow from half a second to five, and begin anew after success", () => {
  const backoff = new Backoff();
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => backoff.next()), [0.5, 1, 2, 4, 5, 5]);
  assert.equal(backoff.next(true), 10);
  backoff.reset();
  assert.equal(backoff.next(), 0.5);
});

test("the end of a socket is final, over, or a reason to try again", () => {
  const told = (code) => (code ? { code, message: "why" } : null);
  const kind = (reason, code, error) => judged({ reason, code, error: told(error) }).kind;
  assert.equal(kind("error", 1008, "unauthorized"), "fail");
  assert.equal(kind(null, 1008), "fail");
  assert.equal(kind("error", 1008, "bad_offer"), "other-way");
  assert.equal(kind("error", 1008, "rate_limited"), "retry");
  assert.equal(kind("error", 1013, "too_many_sessions"), "crowded");
  assert.equal(kind("ended", 1000), "finish");
  assert.equal(kind("idle", 1000), "finish");
  assert.equal(kind("shutdown", 1012), "retry");
  assert.equal(kind(null, 1006), "retry");
});

test("a box lies where the picture is shown, between bars, and is mirrored with it", () => {
  const picture = { width: 100, height: 100 };
  const stage = { width: 400, height: 200 };
  assert.deepEqual(boxOnStage([0, 0, 0.25, 0.5], picture, stage, false), { left: 100, top: 0, width: 50, height: 100 });
  assert.deepEqual(boxOnStage([0, 0, 0.25, 0.5], picture, stage, true), { left: 250, top: 0, width: 50, height: 100 });
});

test("numbers and states in words", () => {
  assert.deepEqual([0.5, -0.734, -0.001, null].map((value) => signed(value)), ["+0.50", "\u22120.73", "0.00", "–"]);
  assert.equal(percent(0.374), "37\u202f%");
  assert.equal(clockTime(67.9), "1:07");
  const reading = { state: "missing", quality: 0, score: null, age: 1.2, reason: "no face for 1.2 s" };
  assert.equal(stateInWords(reading, false), "Missing: no face for 1.2 s");
  assert.equal(stateInWords({ ...reading, state: "ok", reason: null }, false), "Good");
});
