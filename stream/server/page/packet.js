/** The binary messages of `source: "socket"`. No page in here: it runs anywhere. */

export const SOUND = 1;
export const PICTURE = 2;
const HEADER_BYTES = 16;

/**
 * @param {1 | 2} kind
 * @param {number} rate Hz, 0 for pictures.
 * @param {number} time Seconds, on one clock for both kinds.
 * @param {ArrayBuffer} payload Mono signed 16 bit samples, or a JPEG.
 * @returns {ArrayBuffer} u8 kind, 3 bytes 0, u32 rate, f64 time, all little endian, then the payload.
 */
export function packet(kind, rate, time, payload) {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  const header = new DataView(bytes.buffer);
  header.setUint8(0, kind);
  header.setUint32(4, rate, true);
  header.setFloat64(8, time, true);
  bytes.set(new Uint8Array(payload), HEADER_BYTES);
  return bytes.buffer;
}
