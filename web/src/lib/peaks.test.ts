import { expect, it } from 'vitest'
import { columns, wavOverview } from './peaks'

it('grows from left to right', () => {
  const half = columns([-127, 127, -64, 64], 0.5, 4)
  expect(half[0]).toEqual({ low: -1, high: 1 })
  expect(half[1]?.high).toBeCloseTo(64 / 127)
  expect(half.slice(2)).toEqual([null, null])
  expect(columns([], 1, 3)).toEqual([null, null, null])
})

it('keeps the extremes when many peaks share a column', () => {
  const [only] = columns([-10, 20, -127, 5, 0, 127], 1, 1)
  expect(only).toEqual({ low: -1, high: 1 })
})

it('refuses what is no WAV', () => {
  expect(wavOverview(new ArrayBuffer(0))).toBeNull()
  expect(wavOverview(new TextEncoder().encode('<!doctype html> nothing to hear').buffer)).toBeNull()
})
