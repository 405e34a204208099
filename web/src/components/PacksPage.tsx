import { LayoutGrid, LoaderCircle, Plus, X } from 'lucide-react'
import { memo, useCallback, useEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import type { ApiError } from '../api/problem'
import type { Pack, PackRequest } from '../api/types'
import { isFinal } from '../api/types'
import { ago, bytes } from '../lib/format'
import { randomId } from '../lib/id'
import { stageOf } from '../state/pack'
import { buildPack, loadMorePacks, loadPacks, refreshPacks, usePacks, wakePacks } from '../state/packs'
import { asApiError, client } from '../state/studio'
import { ErrorNote } from './ErrorNote'
import { useWake } from './useWake'

const MAX_SOUNDS = 500
/** How often the packs under way are looked at, in ms. */
const REFRESH = 3000

export function PacksPage() {
  useWake(wakePacks)
  useEffect(() => {
    document.title = 'Packs · PatchLAB'
    void loadPacks()
    const timer = setInterval(() => document.visibilityState === 'visible' && void refreshPacks(), REFRESH)
    return () => clearInterval(timer)
  }, [])
  return (
    <main id="main" tabIndex={-1} className="mx-auto grid max-w-5xl grid-cols-[minmax(0,1fr)] gap-6 px-4 pt-4 pb-16 focus:outline-none sm:px-6 sm:pt-8">
      <h1 className="sr-only">Packs</h1>
      <Planner />
      <List />
    </main>
  )
}

/** A sound of the plan; the key is the page's own. */
interface Planned {
  key: string
  name: string
  prompt: string
}

interface Plan {
  name: string
  theme: string
  sounds: readonly Planned[]
}

function Planner() {
  const [theme, setTheme] = useState('')
  const [size, setSize] = useState('20')
  const [plan, setPlan] = useState<Plan | null>(null)
  const [busy, setBusy] = useState<'plan' | 'build' | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const [fields, setFields] = useState<Readonly<Record<string, string>>>({})
  const form = useRef<HTMLFormElement>(null)
  /** The person's last action: its key goes with every repeat, so that a lost answer never builds twice. */
  const action = useRef<{ key: string; body: string } | null>(null)

  // Where a field is wrong, that is where to go on.
  useEffect(() => {
    if (Object.keys(fields).length > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [fields])

  /** The theme and the number, or what is wrong with them. */
  function ask(): { theme: string; count: number } | null {
    const wrong: Record<string, string> = {}
    const number = /^\d+$/.test(size.trim()) ? Number(size.trim()) : Number.NaN
    if (theme.trim() === '') wrong.theme = 'Say what it is for, such as "dark platformer".'
    if (!(number >= 1 && number <= MAX_SOUNDS)) wrong.count = `From 1 to ${MAX_SOUNDS}.`
    if (Object.keys(wrong).length > 0) {
      fail(wrong)
      return null
    }
    return { theme: theme.trim(), count: number }
  }

  function fail(wrong: Readonly<Record<string, string>>, failure: ApiError | null = null) {
    setFields(wrong)
    setError(failure)
  }

  function refused(cause: unknown) {
    const failure = asApiError(cause)
    fail(failure.kind === 'fields' ? failure.fields : {}, failure)
    if (!failure.retryable) action.current = null
  }

  async function makePlan() {
    const wanted = ask()
    if (!wanted || busy) return
    setBusy('plan')
    setError(null)
    setFields({})
    try {
      const made = await client.planPack(wanted.theme, wanted.count)
      setPlan({ name: made.name, theme: wanted.theme, sounds: made.sounds.map(({ name, prompt }) => ({ key: randomId(), name, prompt })) })
    } catch (cause) {
      refused(cause)
    } finally {
      setBusy(null)
    }
  }

  async function build() {
    if (busy) return
    let request: PackRequest
    if (plan) {
      if (plan.sounds.length === 0) {
        fail({ sounds: 'A pack has 1 to 500 sounds: add one, or plan anew.' })
        return
      }
      request = { name: plan.name.trim(), sounds: plan.sounds.map(({ name, prompt }) => ({ name: name.trim(), prompt: prompt.trim() })) }
      if (request.name === '') delete request.name
    } else {
      const wanted = ask()
      if (!wanted) return
      request = wanted
    }
    const body = JSON.stringify(request)
    if (action.current?.body !== body) action.current = { key: randomId(), body }
    setBusy('build')
    setError(null)
    setFields({})
    try {
      location.assign(`/packs/${await buildPack(request, action.current.key)}`)
    } catch (cause) {
      refused(cause)
      setBusy(null)
    }
  }

  const change = useCallback((key: string, part: Partial<Planned>) => {
    setFields((known) => (Object.keys(known).length === 0 ? known : {}))
    setPlan((known) => known && { ...known, sounds: known.sounds.map((sound) => (sound.key === key ? { ...sound, ...part } : sound)) })
  }, [])
  const remove = useCallback((key: string) => {
    setFields((known) => (Object.keys(known).length === 0 ? known : {}))
    setPlan((known) => known && { ...known, sounds: known.sounds.filter((sound) => sound.key !== key) })
  }, [])

  function add() {
    const key = randomId()
    flushSync(() => setPlan((known) => known && { ...known, sounds: [...known.sounds, { key, name: '', prompt: '' }] }))
    document.getElementById(`prompt-${key}`)?.focus()
  }

  return (
    <form
      ref={form}
      aria-label="Build a pack"
      noValidate
      className="rounded-md border border-line bg-panel p-4 sm:p-5"
      onSubmit={(event) => {
        event.preventDefault()
        void (plan ? build() : makePlan())
      }}
    >
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="grid min-w-0 grow basis-64 gap-1">
          <label htmlFor="pack-theme" className="text-xs font-medium text-ink-2">
            What is the pack for?
          </label>
          <input
            id="pack-theme"
            className="control w-full px-2"
            value={theme}
            maxLength={500}
            placeholder="dark platformer, or 8 kicks and 4 snares"
            autoComplete="off"
            aria-describedby="theme-hint"
            aria-invalid={fields.theme !== undefined}
            onChange={(event) => setTheme(event.target.value)}
          />
          <span id="theme-hint" className={`block min-h-4 text-xs ${fields.theme ? 'text-fail' : 'text-ink-3'}`}>
            {fields.theme ?? 'a theme, or a list with numbers'}
          </span>
        </div>
        <div className="grid gap-1">
          <label htmlFor="pack-count" className="text-xs font-medium text-ink-2">
            Sounds
          </label>
          <input
            id="pack-count"
            className="control w-24 px-2 font-mono"
            value={size}
            inputMode="numeric"
            autoComplete="off"
            aria-describedby="count-hint"
            aria-invalid={fields.count !== undefined}
            onChange={(event) => setSize(event.target.value)}
          />
          <span id="count-hint" className={`block min-h-4 text-xs ${fields.count ? 'text-fail' : 'text-ink-3'}`}>
            {fields.count ?? `1 to ${MAX_SOUNDS}`}
          </span>
        </div>
        <div className="flex flex-wrap gap-2 pt-5 max-sm:w-full max-sm:pt-0">
          <button
            type={plan ? 'button' : 'submit'}
            className={`button ${plan ? 'button-line' : 'button-primary'}`}
            aria-disabled={busy !== null}
            onClick={plan ? () => void makePlan() : undefined}
          >
            {busy === 'plan' && <LoaderCircle size={14} className="animate-spin" aria-hidden="true" />}
            {plan ? 'Plan anew' : 'Plan'}
          </button>
          {!plan && (
            <button type="button" className="button button-line" aria-disabled={busy !== null} onClick={() => void build()}>
              {busy === 'build' && <LoaderCircle size={14} className="animate-spin" aria-hidden="true" />}
              Build at once
            </button>
          )}
        </div>
      </div>

      {plan && (
        <div className="mt-3 border-t border-line pt-4">
          <div className="flex flex-wrap items-end gap-x-4 gap-y-2">
            <div className="grid min-w-0 grow basis-56 gap-1">
              <label htmlFor="pack-name" className="text-xs font-medium text-ink-2">
            Name of the pack
          </label>
              <input
            id="pack-name"
                className="control w-full px-2"
                value={plan.name}
                maxLength={80}
                autoComplete="off"
                aria-describedby="name-hint"
                aria-invalid={fields.name !== undefined}
                onChange={(event) => setPlan({ ...plan, name: event.target.value })}
              />
            </div>
            <p className="py-2 text-ink-2">
              <span className="font-mono text-ink">{plan.sounds.length}</span> {plan.sounds.length === 1 ? 'sound' : 'sounds'}
            </p>
          </div>
          <p id="name-hint" className="min-h-4 pt-1 text-xs text-fail">
            {fields.name ?? fields.sounds}
          </p>
          <ol aria-label="Sounds of the plan" className="max-h-[28rem] overflow-auto rounded-md border border-line bg-well">
            {plan.sounds.map((sound, i) => (
              <Row
                key={sound.key}
                sound={sound}
                place={i + 1}
                nameError={fields[`sounds.${i}.name`]}
                promptError={fields[`sounds.${i}.prompt`] ?? fields[`sounds.${i}`]}
                onChange={change}
                onRemove={remove}
              />
            ))}
          </ol>
          <div className="flex flex-wrap items-center gap-2 pt-3">
            <button type="submit" className="button button-primary" aria-disabled={busy !== null}>
              {busy === 'build' ? <LoaderCircle size={15} className="animate-spin" aria-hidden="true" /> : <LayoutGrid size={15} aria-hidden="true" />}
              Build {plan.sounds.length === 1 ? '1 sound' : `${plan.sounds.length} sounds`}
            </button>
            <button type="button" className="button" aria-disabled={plan.sounds.length >= MAX_SOUNDS} onClick={() => plan.sounds.length < MAX_SOUNDS && add()}>
              <Plus size={15} aria-hidden="true" /> Add a sound
            </button>
          </div>
        </div>
      )}
      {error && (
        <div className="pt-3">
          <ErrorNote
            error={error}
            shows={(field) => field === 'theme' || field === 'count' || field === 'name' || /^sounds(\.|$)/.test(field)}
            onRetry={error.retryable ? () => void (plan ? build() : makePlan()) : undefined}
          >
            {error.kind === 'offline' ? 'Your plan is kept.' : ''}
          </ErrorNote>
        </div>
      )}
    </form>
  )
}

interface RowProps {
  sound: Planned
  place: number
  nameError: string | undefined
  promptError: string | undefined
  onChange: (key: string, part: Partial<Planned>) => void
  onRemove: (key: string) => void
}

/** One sound of the plan. Only the row that is typed in is drawn anew. */
const Row = memo(function Row({ sound, place, nameError, promptError, onChange, onRemove }: RowProps) {
  const wrong = nameError ?? promptError
  return (
    <li className="border-line px-2 py-1.5 [content-visibility:auto] [contain-intrinsic-size:auto_3rem] not-first:border-t">
      <div className="flex items-center gap-2">
        <span className="w-8 shrink-0 text-right font-mono text-xs text-ink-3" aria-hidden="true">
          {place}
        </span>
        <input
          id={`prompt-${sound.key}`}
          className="control min-w-0 grow basis-2/3 px-2"
          value={sound.prompt}
          maxLength={500}
          autoComplete="off"
          aria-label={`Words of sound ${place}`}
          aria-invalid={promptError !== undefined}
          aria-errormessage={wrong === undefined ? undefined : `wrong-${sound.key}`}
          onChange={(event) => onChange(sound.key, { prompt: event.target.value })}
        />
        <input
          className="control min-w-0 shrink basis-1/3 px-2 font-mono"
          value={sound.name}
          maxLength={80}
          placeholder="name"
          autoComplete="off"
          aria-label={`File name of sound ${place}`}
          aria-invalid={nameError !== undefined}
          aria-errormessage={wrong === undefined ? undefined : `wrong-${sound.key}`}
          onChange={(event) => onChange(sound.key, { name: event.target.value })}
        />
        <button type="button" className="icon-button shrink-0" aria-label={`Leave out sound ${place}`} onClick={() => onRemove(sound.key)}>
          <X size={14} aria-hidden="true" />
        </button>
      </div>
      {wrong !== undefined && (
        <p id={`wrong-${sound.key}`} className="pt-1 pl-10 text-xs text-fail">
          {wrong}
        </p>
      )}
    </li>
  )
})

function List() {
  const list = usePacks((state) => state.list)
  return (
    <section aria-labelledby="packs">
      <h2 id="packs" className="pb-2 text-md font-semibold">
        Your packs
      </h2>
      {list.items.length > 0 && (
        <ul className="divide-y divide-line rounded-md border border-line bg-panel">
          {list.items.map((pack) => (
            <PackRow key={pack.id} pack={pack} />
          ))}
        </ul>
      )}
      {list.status === 'loading' && list.items.length === 0 && (
        <div aria-busy="true" aria-label="Loading your packs" role="status" className="divide-y divide-line rounded-md border border-line bg-panel">
          {[0, 1, 2].map((i) => (
            <div key={i} className="flex h-14 items-center gap-3 px-3">
              <div className="skeleton h-4 w-48" />
              <div className="skeleton ml-auto h-3 w-20" />
            </div>
          ))}
        </div>
      )}
      {list.status === 'ready' && list.items.length === 0 && (
        <p className="rounded-md border border-dashed border-line p-4 text-ink-2">
          None yet. Say above what you need sounds for: the farm plans them, renders them side by side, and hands you a ZIP.
        </p>
      )}
      {list.status === 'failed' && list.error && (
        <div className="rounded-md border border-line bg-panel p-4">
          <ErrorNote error={list.error} onRetry={() => void loadPacks()}>
            Your packs are still there.
          </ErrorNote>
        </div>
      )}
      {list.status === 'ready' && list.error && (
        <div className="mt-3">
          <ErrorNote error={list.error} />
        </div>
      )}
      {list.next !== null && list.status === 'ready' && (
        <button type="button" className="button button-line mt-3" aria-disabled={list.loadingMore} onClick={() => void loadMorePacks()}>
          {list.loadingMore && <LoaderCircle size={14} className="animate-spin" aria-hidden="true" />}
          Show more
        </button>
      )}
    </section>
  )
}

function PackRow({ pack }: { pack: Pack }) {
  const done = isFinal(pack.state)
  const tone = pack.state === 'failed' ? 'text-fail' : done ? 'text-ink-3' : 'text-amber'
  return (
    <li className="flex min-h-14 items-center gap-3 px-3 py-2">
      <div className="min-w-0 grow">
        <a href={`/packs/${pack.id}`} className="block truncate rounded-md font-medium hover:underline">
          {pack.name}
        </a>
        <p className="truncate text-xs text-ink-3">
          <span className={tone}>{stageOf(pack, pack.job)}</span> ·{' '}
          <span className="font-mono">
            {pack.succeeded} of {pack.total}
          </span>
          {pack.failed > 0 && <span className="text-fail">, {pack.failed} failed</span>}
        </p>
      </div>
      {!done && (
        <div className="hidden h-1.5 w-32 shrink-0 overflow-hidden rounded-md bg-well sm:block" aria-hidden="true">
          <div className="h-full bg-amber transition-[width]" style={{ width: `${Math.floor(pack.job.progress)}%` }} />
        </div>
      )}
      <span className="shrink-0 font-mono text-xs text-ink-2">{pack.size_bytes === null ? '' : bytes(pack.size_bytes)}</span>
      <time dateTime={pack.created_at} title={new Date(pack.created_at).toLocaleString()} className="hidden w-20 shrink-0 text-right text-xs text-ink-3 sm:block">
        {ago(pack.created_at, Date.now())}
      </time>
    </li>
  )
}
