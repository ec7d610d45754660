/** Runs in the audio thread: samples in blocks of 128 become signed 16 bit packets. */

class PcmProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions: {samples: number}}} options */
  constructor({ processorOptions }) {
    super();
    this.packet = new Int16Array(processorOptions.samples);
    this.filled = 0;
    this.time = 0;
  }

  /** @param {Float32Array[][]} inputs @returns {boolean} */
  process([[channel]]) {
    if (!channel) return true;
    channel.forEach((sample, index) => {
      if (this.filled === 0) this.time = (currentFrame + index) / sampleRate;
      this.packet[this.filled] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      this.filled += 1;
      if (this.filled === this.packet.length) this.post();
    });
    return true;
  }

  post() {
    const samples = this.packet.buffer;
    const duration = this.packet.length / sampleRate;
    this.packet = new Int16Array(this.packet.length);
    this.filled = 0;
    this.port.postMessage({ samples, time: this.time, duration }, [samples]);
  }
}

registerProcessor("pcm", PcmProcessor);
