import type { Explanation, Span, Word } from '../api/types'

/** A run of the prompt: understood, ignored, or neither (spaces, punctuation, text typed since). */
export interface Segment {
  text: string
  start: number
  word: Word | null
  ignored: boolean
}

/**
 * Cuts the text at the words of an interpretation. What was typed after the
 * interpretation was asked for shifts words or changes them: a word counts only
 * where the text still reads as it did, moved along by what was put in before it.
 */
export function segments(text: string, explanation: Explanation | null, interpreted: string): Segment[] {
  const marks: { span: Span; word: Word | null }[] = []
  for (const word of explanation?.words ?? []) marks.push({ span: word, word })
  for (const span of explanation?.ignored ?? []) marks.push({ span, word: null })
  marks.sort((a, b) => a.span.start - b.span.start)

  const shift = edit(interpreted, text)
  const out: Segment[] = []
  let at = 0
  for (const { span, word } of marks) {
    const start = shift(span.start, span.end)
    if (start === null || start < at) continue
    if (start > at) out.push({ text: text.slice(at, start), start: at, word: null, ignored: false })
    at = start + (span.end - span.start)
    out.push({ text: text.slice(start, at), start, word, ignored: word === null })
  }
  if (at < text.length) out.push({ text: text.slice(at), start: at, word: null, ignored: false })
  return out
}

/** Where a stretch of the old text stands in the new one; null where the one edit between them touched it. */
function edit(before: string, after: string): (start: number, end: number) => number | null {
  if (before === after) return (start) => start
  const limit = Math.min(before.length, after.length)
  let head = 0
  while (head < limit && before[head] === after[head]) head++
  let tail = 0
  while (tail < limit - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const grown = after.length - before.length
  return (start, end) => {
    if (end <= head) {
      // Letters typed right behind a word make another word of it.
      return end === head && letter(after[end]) ? null : start
    }
    if (start >= before.length - tail) return letter(after[start + grown - 1]) ? null : start + grown
    return null
  }
}

/** The number of characters as the server counts them: code points. */
export function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function letter(char: string | undefined): boolean {
  return char !== undefined && /[\p{L}\p{N}]/u.test(char)
}
