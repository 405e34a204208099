/** One column of a drawn waveform: lowest and highest sample, −1..1; null where nothing is rendered yet. */
export interface Column {
  low: number
  high: number
}

/**
 * Spreads peaks (min, max, min, max, …, ±127 full scale) over the columns of a
 * drawing. `covered` says which part of the whole, 0..1, the peaks reach: the
 * rest stays empty, so that a waveform grows from left to right.
 */
export function columns(peaks: readonly number[], covered: number, count: number): (Column | null)[] {
  const pairs = Math.floor(peaks.length / 2)
  const filled = pairs === 0 ? 0 : Math.min(count, Math.max(0, Math.round(count * covered)))
  const out: (Column | null)[] = Array.from({ length: count }, () => null)
  for (let x = 0; x < filled; x++) {
    const from = Math.min(pairs - 1, Math.floor((x * pairs) / filled))
    const to = Math.max(from + 1, Math.ceil(((x + 1) * pairs) / filled))
    let low = 127
    let high = -128
    for (let i = from; i < to && i < pairs; i++) {
      low = Math.min(low, peaks[2 * i] ?? 0)
      high = Math.max(high, peaks[2 * i + 1] ?? 0)
    }
    out[x] = { low: Math.max(-1, low / 127), high: Math.min(1, high / 127) }
  }
  return out
}

/** The overview and length of a 16-bit PCM WAV file; null where the bytes are none. */
export function wavOverview(data: ArrayBuffer, pairs = 512): { peaks: number[]; duration: number } | null {
  const view = new DataView(data)
  const tag = (at: number) => (at + 4 <= data.byteLength ? view.getUint32(at, false) : 0)
  const RIFF = 0x52494646
  const WAVE = 0x57415645
  const FORMAT = 0x666d7420
  const DATA = 0x64617461
  if (tag(0) !== RIFF || tag(8) !== WAVE) return null
  let channelCount = 0
  let sampleRate = 0
  for (let at = 12; at + 8 <= data.byteLength; ) {
    const size = view.getUint32(at + 4, true)
    const body = at + 8
    if (tag(at) === FORMAT && body + 16 <= data.byteLength) {
      if (view.getUint16(body + 14, true) !== 16) return null
      channelCount = view.getUint16(body + 2, true)
      sampleRate = view.getUint32(body + 4, true)
    } else if (tag(at) === DATA) {
      if (channelCount === 0 || sampleRate === 0) return null
      const samples = Math.floor(Math.min(size, data.byteLength - body) / 2)
      const peaks: number[] = []
      for (let i = 0; i < pairs; i++) {
        const from = Math.floor((i * samples) / pairs)
        const to = Math.max(from + 1, Math.floor(((i + 1) * samples) / pairs))
        let low = 32_767
        let high = -32_768
        for (let s = from; s < to && s < samples; s++) {
          const value = view.getInt16(body + 2 * s, true)
          low = Math.min(low, value)
          high = Math.max(high, value)
        }
        peaks.push(Math.round(low / 258), Math.round(high / 258))
      }
      return { peaks, duration: samples / channelCount / sampleRate }
    }
    at = body + size + (size % 2)
  }
  return null
}
