import { useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from 'react'
import type { Interpretation, Word } from '../api/types'
import { characters, segments } from '../lib/segments'
import { MAX_PROMPT } from '../state/draft'

/** From how many characters on the limit is worth a word. */
const NEAR_LIMIT = 420

interface PromptProps {
  field: RefObject<HTMLTextAreaElement | null>
  value: string
  interpretation: Interpretation | null
  error: string | undefined
  /** Where the word starts that is looked at, here or in the notebook. */
  active: number | null
  onActive: (start: number | null) => void
  onChange: (value: string) => void
  onSubmit: () => void
}

/** The prompt: a text box over a copy of its text that carries the underlines. */
export function Prompt({ field, value, interpretation, error, active, onActive, onChange, onSubmit }: PromptProps) {
  const mirror = useRef<HTMLDivElement>(null)
  const [hovered, setHovered] = useState<{ word: Word; left: number; top: number } | null>(null)
  const parts = segments(value, interpretation, interpretation?.prompt ?? '')
  const count = characters(value)

  function press(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key === 'Escape') setHovered(null)
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    onSubmit()
  }

  /** The text box lies above the words: the one under the pointer is found by its place. */
  function move(event: PointerEvent<HTMLTextAreaElement>) {
    const marks = mirror.current?.querySelectorAll<HTMLElement>('[data-start]') ?? []
    for (const mark of marks) {
      for (const box of mark.getClientRects()) {
        if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) {
          continue
        }
        const start = Number(mark.dataset.start)
        const word = parts.find((part) => part.start === start)?.word
        const frame = mirror.current?.getBoundingClientRect()
        if (!word || !frame) return
        if (hovered?.word !== word) {
          const left = Math.max(0, Math.min(box.left - frame.left, frame.width - 240))
          setHovered({ word, left, top: box.bottom - frame.top + 6 })
          onActive(start)
        }
        return
      }
    }
    leave()
  }

  function leave() {
    if (!hovered) return
    setHovered(null)
    onActive(null)
  }

  return (
    <div className="flex grow flex-col">
      <label htmlFor="prompt" className="text-xs font-medium text-ink-2">
        What should it sound like?
      </label>
      <div className="relative mt-2 grid min-h-30 grow content-start text-lg tracking-tight">
        <div ref={mirror} aria-hidden="true" className="prompt-text text-transparent">
          {parts.map((part) => (
            <span
              key={part.start}
              {...(part.word
                ? {
                    'data-start': part.start,
                    'data-source': part.word.source,
                    className: 'mark mark-known',
                    ...(active === part.start ? { 'data-active': true } : {}),
                  }
                : part.ignored
                  ? { className: 'mark mark-ignored' }
                  : {})}
            >
              {part.text}
            </span>
          ))}
          {/* A last empty line has height only with something in it. */}
          {'\u200b'}
        </div>
        <textarea
          id="prompt"
          ref={field}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={press}
          onPointerMove={move}
          onPointerLeave={leave}
          rows={1}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          enterKeyHint="go"
          placeholder="deep wobble bass, two seconds"
          aria-describedby="prompt-help prompt-understood"
          aria-invalid={error !== undefined}
          aria-errormessage={error === undefined ? undefined : 'prompt-error'}
          className="prompt-text prompt-input resize-none overflow-hidden bg-transparent text-ink"
        />
        {hovered && (
          <div
            role="tooltip"
            data-source={hovered.word.source}
            className="pointer-events-none absolute z-10 w-60 rounded-md border border-edge bg-raised p-2 text-xs tracking-normal"
            style={{ left: hovered.left, top: hovered.top }}
          >
            <p className="font-medium text-hue">
              {hovered.word.word} <span className="font-normal text-ink-3">{hovered.word.source}</span>
            </p>
            <ul className="mt-1 font-mono text-ink-2">
              {hovered.word.effects.map((effect) => (
                <li key={effect.path}>{effect.text}</li>
              ))}
            </ul>
          </div>
        )}
      </div>
      <div className="flex min-h-4 items-start gap-3 text-xs">
        <p id="prompt-error" className="grow text-fail" role={error === undefined ? undefined : 'alert'}>
          {error}
        </p>
        {count >= NEAR_LIMIT && (
          <p className={`font-mono ${count > MAX_PROMPT ? 'text-fail' : 'text-ink-2'}`}>
            {count}/{MAX_PROMPT}
            <span className="sr-only"> characters</span>
          </p>
        )}
      </div>
    </div>
  )
}
