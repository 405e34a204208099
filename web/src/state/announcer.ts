import { create } from 'zustand'

/** What a screen reader is told as it happens. */
export const useAnnouncer = create<{ text: string }>(() => ({ text: '' }))

let waiting: string[] = []
let timer: ReturnType<typeof setTimeout> | undefined

/** Says a sentence. Sentences that come close together are said as one, so that none is lost. */
export function announce(sentence: string): void {
  waiting.push(sentence)
  timer ??= setTimeout(() => {
    useAnnouncer.setState({ text: waiting.join(' ') })
    waiting = []
    timer = undefined
  }, 250)
}
