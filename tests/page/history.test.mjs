import assert from "node:assert/strict";
import { test } from "node:test";

import { History } from "../../stream/server/page/history.js";

const event = (end, score = 0.2, trust = { text: 0.2, audio: 0.3, video: 0.5 }) => ({
  window: { index: 0, start: end - 4, end },
  sentiment: { score, interval: score === null ? null : [score - 0.1, score + 0.1] },
  trust,
  modalities: { text: { score: 0.1 }, audio: { score: null }, video: { score: -0.3 } },
});

test("times are event times, however late the events come", () => {
  const history = new History();
  [100.1, 100.9, 101.3].forEach((at, index) => history.add(event(4 + index / 2), at));
  const [times] = history.scores();
  assert.deepEqual(times.map((time) => Math.round((time - times[0]) * 10) / 10), [0, 0.5, 1]);
});

test("it keeps a minute and no more events than its limit", () => {
  const history = new History();
  for (let index = 0; index < 1000; index += 1) history.add(event(4 + index * 0.5), 4 + index * 0.5);
  assert.equal(history.moments.length, 120);
  for (let index = 0; index < 100; index += 1) history.add(event(1000 + index * 3), 1000 + index * 3);
  assert.equal(history.moments.length, 21);
});

test("between two sessions is a gap, and time goes on", () => {
  const history = new History();
  history.add(event(20), 50);
  history.restart();
  history.add(event(4), 56);
  const [times, scores] = history.scores();
  assert.deepEqual(scores, [0.2, null, 0.2]);
  assert.ok(times[0] < times[1] && times[1] < times[2]);
});

test("the pile of trust ends at one, and is absent where nothing was there", () => {
  const history = new History();
  history.add(event(4), 4);
  history.add(event(4.5, null, { text: 0, audio: 0, video: 0 }), 4.5);
  const [, all, two, one] = history.trust();
  assert.deepEqual([all, two, one], [[1, null], [0.5, null], [0.2, null]]);
  const [, scores, high, low] = history.scores();
  assert.deepEqual([scores[1], high[1], low[1]], [null, null, null]);
});

test("a server that stalls for long moves its events to where they belong", () => {
  const history = new History();
  history.add(event(4), 104);
  history.add(event(4.5), 114);
  assert.deepEqual(history.scores()[0], [104, 114]);
});
