import { CornerDownLeft, LoaderCircle } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Word } from '../api/types'
import { segments } from '../lib/segments'
import { interpret, render, setDraft, start, useStudio, wake } from '../state/studio'
import { Controls } from './Controls'
import { ErrorNote } from './ErrorNote'
import { Example } from './Example'
import { Library } from './Library'
import { Notebook } from './Notebook'
import { Prompt } from './Prompt'
import { Takes } from './Takes'

/** How long the typing rests before the words are read, in ms. */
const REST = 150

const EXAMPLES = ['deep bass', 'bright bell', 'kick', 'noise burst, half a second']

export function Studio() {
  useEffect(() => {
    void start()
    window.addEventListener('online', wake)
    document.addEventListener('visibilitychange', wakeWhenSeen)
    return () => {
      window.removeEventListener('online', wake)
      document.removeEventListener('visibilitychange', wakeWhenSeen)
    }
  }, [])
  return (
    <main id="main" tabIndex={-1} className="mx-auto grid max-w-5xl grid-cols-[minmax(0,1fr)] gap-6 px-4 pt-4 pb-16 focus:outline-none sm:px-6 sm:pt-8">
      <h1 className="sr-only">Studio</h1>
      <PromptPanel />
      <FirstVisit />
      <Takes />
      <Library />
    </main>
  )
}

function wakeWhenSeen() {
  if (document.visibilityState === 'visible') wake()
}

function PromptPanel() {
  const draft = useStudio((state) => state.draft)
  const interpretation = useStudio((state) => state.interpretation)
  const interpretFailed = useStudio((state) => state.interpretFailed)
  const sending = useStudio((state) => state.sending)
  const error = useStudio((state) => state.error)
  const fields = useStudio((state) => state.fields)
  const [active, setActive] = useState<number | null>(null)
  const field = useRef<HTMLTextAreaElement>(null)

  useEffect(() => {
    const timer = setTimeout(() => void interpret(), REST)
    return () => clearTimeout(timer)
  }, [draft.prompt, draft.seed])

  async function submit() {
    await render()
    // Where a field is wrong, that is where to go on.
    const wrong = useStudio.getState().fields
    if (wrong.prompt) field.current?.focus()
    else if (Object.keys(wrong).length > 0) {
      document.querySelector<HTMLElement>('form [aria-invalid="true"]')?.focus()
    }
  }

  function pick(word: Word) {
    const part = segments(draft.prompt, interpretation, interpretation?.prompt ?? '').find((p) => p.word === word)
    if (!part || !field.current) return
    field.current.focus()
    field.current.setSelectionRange(part.start, part.start + part.text.length)
  }

  return (
    <form
      aria-label="Make a sound"
      noValidate
      className="prompt-panel min-w-0 rounded-md border border-line bg-panel transition-colors lg:grid lg:grid-cols-[minmax(0,1fr)_20rem]"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <div className="prompt-side flex min-w-0 flex-col gap-3 p-4 sm:p-5">
        <Prompt
          field={field}
          value={draft.prompt}
          interpretation={interpretation}
          error={fields.prompt}
          active={active}
          onActive={setActive}
          onChange={(prompt) => setDraft({ prompt })}
          onSubmit={() => void submit()}
        />
        <Controls draft={draft} fields={fields} />
        <div className="flex min-h-11 flex-wrap items-center gap-x-4 gap-y-3 sm:flex-nowrap">
          <button type="submit" className="button button-primary h-10 max-sm:w-full" aria-disabled={sending}>
            {sending ? (
              <LoaderCircle size={16} className="animate-spin" aria-hidden="true" />
            ) : (
              <CornerDownLeft size={16} aria-hidden="true" />
            )}
            Render
          </button>
          <div className="min-w-0 grow">
            {error ? (
              <ErrorNote error={error} onRetry={error.retryable ? () => void submit() : undefined}>
                {error.kind === 'offline' ? 'Your words are kept.' : ''}
              </ErrorNote>
            ) : (
              <p id="prompt-help" className="text-xs text-ink-3 pointer-coarse:hidden">
                <kbd className="font-mono">Enter</kbd> renders, <kbd className="font-mono">Shift Enter</kbd> starts a new line
              </p>
            )}
          </div>
        </div>
      </div>
      <Notebook
        explanation={interpretation}
        empty={draft.prompt.trim() === ''}
        failed={interpretFailed}
        active={active}
        onActive={setActive}
        onPick={pick}
      />
    </form>
  )
}

/** Something to hear and something to press, while there is nothing of one's own. */
function FirstVisit() {
  const empty = useStudio(
    (state) =>
      state.currentId === null &&
      !state.opening &&
      !state.openError &&
      state.library.status === 'ready' &&
      state.library.items.length === 0,
  )
  if (!empty) return null
  return (
    <section aria-labelledby="first" className="min-w-0">
      <h2 id="first" className="pb-2 text-md font-semibold">
        Hear one first
      </h2>
      <Example />
      <div className="flex flex-wrap items-center gap-2 pt-4">
        <p className="mr-1 text-xs text-ink-3">Or render one now:</p>
        {EXAMPLES.map((prompt) => (
          <button
            key={prompt}
            type="button"
            className="button button-line font-normal"
            onClick={() => {
              setDraft({ prompt })
              void render()
            }}
          >
            {prompt}
          </button>
        ))}
      </div>
    </section>
  )
}
