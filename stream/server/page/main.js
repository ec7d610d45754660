/** The page's parts joined: what a session tells goes to the views, what the reader wishes goes to the session. */

/** @import { Arrival, Modality, SentimentEvent, Source, State } from "./types.js" */
import { Charts } from "./charts.js";
import { ClipPlayer } from "./clip.js";
import { Controls } from "./controls.js";
import { Facts } from "./facts.js";
import { Gauge } from "./gauge.js";
import { History } from "./history.js";
import { part, write } from "./page.js";
import { Recorder } from "./recorder.js";
import { Session } from "./session.js";
import { Stage } from "./stage.js";
import { followTheme } from "./theme.js";
import { Transcript } from "./transcript.js";
import { TranscriptView } from "./transcript-view.js";
import { TrustRows } from "./trust.js";

/** @type {[string, string]} */
const NOTHING = ["No score yet", "It takes 4 s of picture or sound."];

const root = document.documentElement;
const asked = new URLSearchParams(location.search);
const history = new History();
const transcript = new Transcript();
const stage = new Stage();
const clip = new ClipPlayer(stage.video);
const gauge = new Gauge();
const charts = new Charts(history);
const words = new TranscriptView();
const facts = new Facts();
const recorder = new Recorder();
/** @type {MediaStream | null} */
let camera = null;
/** @type {Arrival | null} */
let last = null;
let shown = 0;
let firstAfter = 4; // s that a session needs for its first score
let base = 0; // s on the transcript's clock where this session begins

const trust = new TrustRows((name) => {
  const off = session.switches.off;
  session.change({ off: off.includes(name) ? off.filter((other) => other !== name) : [...off, name] });
});

const session = new Session({
  state: become,
  message: (text, tone = "calm") => {
    const place = part("message");
    place.dataset.tone = tone;
    write(place, text);
  },
  media: (stream) => {
    camera = stream;
    stage.camera(stream);
  },
  created: (created) => {
    shown = 0;
    last = null;
    firstAfter = created.window;
    root.dataset.events = "0";
    root.dataset.stream = created.session;
    facts.created(created);
    history.restart();
    transcript.restart(base);
    trust.clear();
    stage.clear();
  },
  configured: (configured, transport) => {
    root.dataset.transport = transport;
    facts.transport(transport);
    if (configured.source === "clip") clip.play(configured.media ?? "/clip.mp4", configured.begin ?? 0);
  },
  event: (arrival) => show(arrival),
  early: (event) => showNow(event),
  seconds: (seconds, at) => {
    if (shown) return;
    if (session.source === "clip") clip.follow(seconds, performance.now() / 1000 - at);
    gauge.clear("Listening", `The first score comes in ${Math.max(1, Math.ceil(firstAfter - seconds))} s.`);
  },
  switches: (switches) => {
    controls.switched(switches);
    stage.done(switches);
    trust.leftOut(switches.off);
  },
  clipPosition: () => clip.position,
}, stage.video, asked.get("transport") === "socket");

const controls = new Controls({
  start: (source) => {
    if (session.state === "paused" && session.source === source) void session.resume(clip.position);
    else start(source, 0);
  },
  pauseOrResume: () => {
    if (session.state === "paused") void session.resume(clip.position);
    else session.pause();
  },
  toggle: (name) => session.change({ [name]: !session.switches[name] }),
  record: () => void record(),
  sound: (on) => {
    stage.video.muted = !on;
  },
});

/** @param {Source} source @param {number} begin Seconds into the clip. */
function start(source, begin) {
  if (source === "camera") clip.close();
  history.clear();
  transcript.clear();
  base = 0;
  void session.start(source, begin);
}

/** @param {State} state */
function become(state) {
  root.dataset.connection = state;
  controls.become(state, session.source);
  stage.become(state);
  if (state === "live") return;
  const coming = state === "connecting" || state === "reconnecting";
  if (coming) gauge.clear("Listening", `The first score comes after ${firstAfter} s.`);
  else if (!last) gauge.clear(...NOTHING);
  if (last) base = session.source === "clip" ? clip.position : base + last.event.window.end;
  facts.over(last);
  last = null;
  if (session.source === "clip") clip.pause();
}

/** @param {Arrival} arrival */
function show(arrival) {
  const { event, ageMs, at } = arrival;
  shown += 1;
  last = arrival;
  history.add(event, at - ageMs / 1000);
  transcript.add(event);
  recorder.add(event);
  showNow(event);
  charts.show();
  words.show(transcript);
  if (session.source === "clip") clip.followEvent(arrival);
  root.dataset.events = String(shown);
  requestAnimationFrame(() => setTimeout(() => last === arrival && facts.drawn(arrival)));
}

/** What is now, and no history. @param {SentimentEvent} event */
function showNow(event) {
  gauge.show(event.sentiment);
  trust.show(event);
  stage.show(event);
}

async function record() {
  if (!recorder.running) {
    recorder.start(root.dataset.stream || "stream", controls.withMedia && session.source === "camera" ? camera : null);
    return controls.recording(true, true);
  }
  await recorder.save();
  controls.recording(false, ["live", "connecting", "reconnecting"].includes(session.state));
}

followTheme(/** @type {HTMLButtonElement} */ (part("theme")), () => charts.refreshTheme());
gauge.clear(...NOTHING);
trust.clear();
charts.show();
addEventListener("pagehide", () => session.pause());
const source = asked.get("source");
if (source === "clip" || source === "camera") start(source, 0);
