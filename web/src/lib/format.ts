/** Numbers as they are shown: always with their unit. */

export function seconds(value: number | null): string {
  return value === null ? '– s' : `${value.toFixed(value < 10 ? 3 : 2)} s`
}

/** A place in time, for reading while it runs. */
export function clock(value: number): string {
  return `${value.toFixed(2)} s`
}

export function bytes(value: number | null): string {
  if (value === null) return '– KB'
  if (value < 1_000_000) return `${Math.max(1, Math.round(value / 1000))} KB`
  return `${(value / 1_000_000).toFixed(value < 10_000_000 ? 2 : 1)} MB`
}

export function rate(hertz: number): string {
  return `${(hertz / 1000).toLocaleString('en', { maximumFractionDigits: 2 })} kHz`
}

export function depth(bits: number): string {
  return bits === 32 ? '32-bit float' : `${bits}-bit`
}

export function channels(count: number): string {
  return count === 1 ? 'mono' : 'stereo'
}

/** A wait in whole seconds or minutes. */
export function wait(value: number): string {
  const s = Math.max(1, Math.round(value))
  return s < 90 ? `${s} s` : `${Math.round(s / 60)} min`
}

/** The confidence of an interpretation in words. */
export function confidence(value: number): string {
  if (value >= 0.8) return 'sure'
  if (value >= 0.55) return 'fairly sure'
  if (value > 0.3) return 'unsure'
  return 'guessing'
}

/** How long ago, coarsely; the exact time stands in the element's title. */
export function ago(iso: string, now: number): string {
  const s = Math.max(0, (now - Date.parse(iso)) / 1000)
  if (s < 60) return 'just now'
  if (s < 3600) return `${Math.floor(s / 60)} min ago`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`
  return `${Math.floor(s / 86_400)} d ago`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
