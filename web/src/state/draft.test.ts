import { expect, it } from 'vitest'
import { EMPTY_DRAFT, toRequest, type Draft } from './draft'

const errors = (change: Partial<Draft>) => {
  const checked = toRequest({ ...EMPTY_DRAFT, prompt: 'kick', ...change })
  return 'errors' in checked ? Object.keys(checked.errors) : []
}

it.each<[string, Partial<Draft>, string[]]>([
  ['nothing wrong', {}, []],
  ['no words', { prompt: '  ' }, ['prompt']],
  ['500 characters', { prompt: 'x'.repeat(500) }, []],
  ['501 characters', { prompt: 'x'.repeat(501) }, ['prompt']],
  ['500 characters outside of the plane', { prompt: '🎛'.repeat(500) }, []],
  ['a comma for a point', { duration: '1,5' }, []],
  ['too long', { duration: '31' }, ['duration']],
  ['too short', { duration: '0.01' }, ['duration']],
  ['no number', { duration: 'long' }, ['duration']],
  ['seed', { seed: '4294967295' }, []],
  ['seed too large', { seed: '4294967296' }, ['seed']],
  ['seed of words', { seed: '-1' }, ['seed']],
  ['too many samples', { duration: '30', takes: 8, sampleRate: 96_000 }, ['duration']],
  ['several', { prompt: '', duration: '99', seed: 'x' }, ['prompt', 'duration', 'seed']],
])('%s', (_, change, want) => {
  expect(errors(change)).toEqual(want)
})

it('leaves to the server what is empty', () => {
  expect(toRequest({ ...EMPTY_DRAFT, prompt: 'kick', seed: '7' })).toEqual({
    request: { prompt: 'kick', variations: 2, sample_rate: 48_000, bit_depth: 24, channels: 2, seed: 7 },
  })
})
