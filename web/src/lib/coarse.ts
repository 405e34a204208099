/** The small overview of a waveform, as in the cells of a pack: at most so many stretches. */
export const CELL_STRETCHES = 24

/** Brings min, max, min, max, … down to at most so many stretches. */
export function coarser(peaks: readonly number[], stretches: number): readonly number[] {
  const count = Math.floor(peaks.length / 2)
  if (count <= stretches) return peaks
  const out: number[] = []
  for (let i = 0; i < stretches; i++) {
    let low = Infinity
    let high = -Infinity
    for (let j = Math.floor((i * count) / stretches); j < Math.floor(((i + 1) * count) / stretches); j++) {
      low = Math.min(low, peaks[2 * j] ?? 0)
      high = Math.max(high, peaks[2 * j + 1] ?? 0)
    }
    out.push(low, high)
  }
  return out
}

/** The outline of a small overview in a box of `width` × 2, with silence at 1. */
export function outline(peaks: readonly number[], width: number): string {
  const count = Math.floor(peaks.length / 2)
  if (count === 0) return ''
  const step = width / count
  const bars: string[] = []
  for (let i = 0; i < count; i++) {
    const low = 1 - (peaks[2 * i] ?? 0) / 127
    const high = 1 - (peaks[2 * i + 1] ?? 0) / 127
    const x = ((i + 0.5) * step).toFixed(2)
    // Silence is a dot, not nothing.
    bars.push(`M${x} ${Math.min(high, 0.97).toFixed(3)}V${Math.max(low, 1.03).toFixed(3)}`)
  }
  return bars.join('')
}
