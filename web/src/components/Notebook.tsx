import type { Explanation, Word } from '../api/types'
import { confidence, plural } from '../lib/format'

interface NotebookProps {
  explanation: Explanation | null
  empty: boolean
  failed: boolean
  active: number | null
  onActive: (start: number | null) => void
  onPick: (word: Word) => void
}

/** An effect without the word that it stands beside. */
function plain(text: string, word: Word): string {
  return text.endsWith(`: ${word.word}`) ? text.slice(0, -word.word.length - 2) : text
}

/** What was understood, word by word, in terms of sound. */
export function Notebook({ explanation, empty, failed, active, onActive, onPick }: NotebookProps) {
  const words = empty ? [] : (explanation?.words ?? [])
  const ignored = empty ? [] : (explanation?.ignored ?? [])
  const shown = !empty && explanation !== null
  const guessing = shown && explanation.confidence <= 0.3
  return (
    <section
      aria-labelledby="understood"
      className="flex h-56 flex-col border-t border-line lg:h-auto lg:border-t-0 lg:border-l"
    >
      <div className="flex h-11 shrink-0 items-center justify-between gap-2 border-b border-line px-4">
        <h2 id="understood" className="text-xs font-medium text-ink-2">
          What I understood
        </h2>
        <p id="prompt-understood" className="text-xs text-ink-2">
          {shown && (
            <>
              <span className="sr-only">
                {plural(words.length, 'word')} understood, {ignored.length} ignored.{' '}
              </span>
              {confidence(explanation.confidence)}{' '}
              <span className="font-mono text-ink">{explanation.confidence.toFixed(2)}</span>
            </>
          )}
        </p>
      </div>
      <div className="relative grow">
        <div className="absolute inset-0 overflow-y-auto" tabIndex={words.length > 0 ? undefined : -1}>
          {!shown && (
            <p className="px-4 py-3 text-xs text-ink-3">
              {failed
                ? 'The words cannot be read just now. You can render all the same.'
                : 'Words that I know are underlined as you type, and listed here with what each one does.'}
            </p>
          )}
          {guessing && (
            <p className="border-b border-line px-4 py-3 text-xs text-ink-2">
              {words.length === 0 ? 'I know none of these words' : 'I know too little of this'}: you get a plain default
              sound. Try an instrument (bass, bell, kick) and how it should be (deep, bright, short).
            </p>
          )}
          <ul>
            {words.map((word) => (
              <li key={word.start} data-source={word.source}>
                <button
                  type="button"
                  data-active={active === word.start ? true : undefined}
                  className="flex w-full gap-3 border-b border-line px-4 py-2 text-left -outline-offset-2 data-active:bg-raised"
                  onPointerEnter={() => onActive(word.start)}
                  onPointerLeave={() => onActive(null)}
                  onFocus={() => onActive(word.start)}
                  onBlur={() => onActive(null)}
                  onClick={() => onPick(word)}
                >
                  <span className="w-24 shrink-0">
                    <span className="block truncate font-medium text-hue">{word.text}</span>
                    <span className="block truncate text-xs text-ink-3">
                      {word.word.toLowerCase() === word.text.toLowerCase() ? word.source : `read as ${word.word}`}
                    </span>
                  </span>
                  <span className="min-w-0 grow font-mono text-xs text-ink-2">
                    {word.effects.length === 0
                      ? 'strengthens the word beside it'
                      : word.effects.map((effect) => (
                          <span key={effect.path} className="block break-words">
                            {plain(effect.text, word)}
                          </span>
                        ))}
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {ignored.length > 0 && (
            <p className="px-4 py-2 text-xs text-ink-3">
              Ignored:{' '}
              {ignored.map((span, i) => (
                <span key={span.start}>
                  {i > 0 && ', '}
                  <span className="mark mark-ignored text-ink-2">{span.text}</span>
                </span>
              ))}
            </p>
          )}
        </div>
      </div>
    </section>
  )
}
