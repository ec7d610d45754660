import assert from "node:assert/strict";
import { test } from "node:test";

import { Transcript, mergeWords, splitUtterances } from "../../stream/server/page/transcript.js";

const word = (start, end, text, final = false) => ({ start, end, text, probability: 0.9, final });
const event = (index, words, score = 0) => ({
  window: { index, start: index * 0.5, end: index * 0.5 + 4 },
  sentiment: { score, label: "neutral", interval: [-1, 1] },
  transcript: { text: "", final: false, words },
});
const texts = (transcript) => transcript.utterances().map(({ words }) => words.map(({ text }) => text).join(" "));

test("a partial word gives way to what is heard instead", () => {
  const known = [word(1, 1.5, "he", true), word(1.6, 2, "elder")];
  const merged = mergeWords(known, [word(1.6, 1.9, "old"), word(1.9, 2.4, "man")], 0);
  assert.deepEqual(merged.map(({ text }) => text), ["he", "old", "man"]);
});

test("a partial word that is heard no more is gone", () => {
  assert.deepEqual(mergeWords([word(1, 1.5, "noise")], [], 0), []);
});

test("what lies before the reach of the event stays", () => {
  const merged = mergeWords([word(0, 0.5, "far", true), word(1, 1.4, "near")], [word(5, 5.5, "new")], 4);
  assert.deepEqual(merged.map(({ text }) => text), ["far", "near", "new"]);
});

test("a final word is there once, and stays as it was", () => {
  const merged = mergeWords([word(1, 1.5, "Ask", true)], [word(1.05, 1.5, "ask", true), word(1.6, 2, "not")], 0);
  assert.deepEqual(merged.map(({ text }) => text), ["Ask", "not"]);
});

test("an utterance ends where nobody speaks for longer than the gap", () => {
  const parts = splitUtterances([word(0, 1, "a"), word(1.8, 2, "b"), word(2.9, 3, "c")], 0.8);
  assert.deepEqual(parts.map((part) => part.map(({ text }) => text)), [["a", "b"], ["c"]]);
});

test("an utterance has the score of the first window that has all of it", () => {
  const transcript = new Transcript();
  transcript.add(event(0, [word(3, 3.5, "yes")], 0.1));
  assert.equal(transcript.utterances()[0].score, 0.1);
  transcript.add(event(1, [word(3, 3.5, "yes"), word(3.6, 4.3, "indeed")], 0.7));
  assert.equal(transcript.utterances()[0].score, 0.7);
  transcript.add(event(2, [word(3, 3.5, "yes"), word(3.6, 4.3, "indeed")], -0.9));
  assert.equal(transcript.utterances()[0].score, 0.7);
});

test("a new session starts at its offset, and the one before it is sure", () => {
  const transcript = new Transcript();
  transcript.add(event(0, [word(1, 1.5, "before")]));
  transcript.restart(10);
  transcript.add(event(0, [word(1, 1.5, "after")]));
  const [before, after] = transcript.utterances();
  assert.equal(before.words[0].final, true);
  assert.equal(after.start, 11);
  assert.notEqual(before.key, after.key);
  transcript.clear();
  assert.deepEqual(transcript.utterances(), []);
});

test("it never holds more words than its limit, over utterances and sessions", () => {
  const transcript = new Transcript({ limit: 5 });
  for (let second = 0; second < 40; second += 1) {
    if (second === 20) transcript.restart(20);
    const start = second % 20;
    transcript.add(event(start * 2, [word(start, start + 0.2, `w${second}`, true)]));
  }
  assert.deepEqual(texts(transcript), ["w35", "w36", "w37", "w38", "w39"]);
});
