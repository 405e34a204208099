import { describe, expect, it } from 'vitest'
import { changed } from './changes'

describe('changed', () => {
  it.each([
    ['layers.0.filter.cutoff', 420, 512.34, 'Hz', 1, 'filter cutoff 420 → 512.3 Hz'],
    ['layers.1.synth.osc2.pulse_width', 0.5, 0.612345, '', 2, 'layer 2 osc2 pulse width 0.5 → 0.6123'],
    ['layers.0.mods.1.amount', 0, -1200, 'cents', 1, 'mods 2 amount 0 → -1200 cents'],
    ['bus.reverb.mix', 0.1, 0.00001234, '', 1, 'reverb mix 0.1 → 0.00001234'],
    ['bus.distortion.type', 'soft', 'fold', '', 1, 'distortion type soft → fold'],
  ])('says %s', (path, from, to, unit, layers, text) => {
    const line = changed({ path, from, to, unit }, layers)
    expect(`${line.name} ${line.from} → ${line.to}`).toBe(text)
    expect(line.path).toBe(path)
  })
})
