import { expect, it } from 'vitest'
import type { Explanation } from '../api/types'
import { characters, segments } from './segments'

const explanation = {
  words: [{ text: 'deep', start: 0, end: 4, word: 'deep', kind: 'adjective', source: 'synth', effects: [] }],
  ignored: [{ text: 'flurble', start: 5, end: 12 }],
  confidence: 0.5,
} as Explanation

/** What is shown as understood (+), as ignored (-) and as neither. */
const shown = (text: string) =>
  segments(text, explanation, 'deep flurble').map((part) => (part.word ? '+' : part.ignored ? '-' : '') + part.text)

it.each([
  ['deep flurble', ['+deep', ' ', '-flurble']],
  ['very deep flurble', ['very ', '+deep', ' ', '-flurble']],
  ['deep flurble bass', ['+deep', ' ', '-flurble', ' bass']],
  ['deeper flurble', ['deeper ', '-flurble']],
  ['deep blue flurble', ['+deep', ' blue ', '-flurble']],
  ['', []],
])('%j', (text, want) => {
  expect(shown(text)).toEqual(want)
  expect(segments(text, explanation, 'deep flurble').map((part) => part.text).join('')).toBe(text)
})

it('counts characters as the server does', () => {
  expect(characters('a🎛é')).toBe(3)
})
