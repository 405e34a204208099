import type { Change } from '../api/types'

/** A change as it is read: "filter cutoff", "420", "512.3 Hz". */
export interface ChangeText {
  path: string
  name: string
  from: string
  to: string
}

/** Says a change in words. A layer is named where there are several. */
export function changed({ path, from, to, unit }: Change, layers: number): ChangeText {
  const parts = path.split('.')
  const layer = parts[0] === 'layers' && layers > 1 ? [`layer ${Number(parts[1]) + 1}`] : []
  const rest = parts.slice(parts[0] === 'layers' ? 2 : parts[0] === 'bus' ? 1 : 0).filter((part) => part !== 'synth')
  const name = rest.map((part) => (/^\d+$/.test(part) ? String(Number(part) + 1) : part.replaceAll('_', ' ')))
  return { path, name: [...layer, ...name].join(' '), from: value(from), to: unit === '' ? value(to) : `${value(to)} ${unit}` }
}

/** Four digits are as many as can be heard. */
function value(x: number | string): string {
  return typeof x === 'string' ? x : String(Number(x.toPrecision(4)))
}
