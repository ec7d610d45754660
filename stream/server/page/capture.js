/** Camera and microphone of this machine. */

const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30 } };
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** @type {Record<string, string>} */
const WORDS = {
  NotAllowedError: "The browser may not use camera and microphone. Allow it in the address bar, then start again.",
  NotFoundError: "No camera and no microphone were found. Connect one and start again, or play the clip.",
  NotReadableError: "The camera or the microphone is used by another program. Close that and start again.",
  SecurityError: "This browser does not let the page use the camera. Open it over https or on this machine.",
};

/** Said to the reader as it is. */
export class CaptureError extends Error {}

/** @param {unknown} error @returns {CaptureError} */
function inWords(error) {
  const name = error instanceof DOMException ? error.name : "";
  return new CaptureError(WORDS[name] ?? `Camera and microphone could not be opened: ${error}`, { cause: error });
}

/**
 * @returns {Promise<MediaStream>} Both, or the one that there is.
 * @throws {CaptureError} There is neither, or they may not be used.
 */
export async function openCapture() {
  if (!navigator.mediaDevices) throw new CaptureError(WORDS.SecurityError);
  const wishes = [{ video: PICTURE, audio: SOUND }, { audio: SOUND }, { video: PICTURE }];
  /** @type {unknown} */
  let first = null;
  for (const wish of wishes) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch (error) {
      first ??= error;
      const absent = error instanceof DOMException && error.name === "NotFoundError";
      if (!absent) break;
    }
  }
  throw inWords(first);
}

/** @param {MediaStream | null} stream */
export function closeCapture(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
