import { ChevronDown, Lock, X } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { channels, depth, rate } from '../lib/format'
import { BIT_DEPTHS, MAX_TAKES, SAMPLE_RATES, type Draft, type FieldErrors } from '../state/draft'
import { setDraft } from '../state/studio'

const TAKES = Array.from({ length: MAX_TAKES }, (_, i) => i + 1)

/** The hint below a control, or what is wrong with it; its line is always there. */
function Hint({ id, error, children }: { id: string; error: string | undefined; children: ReactNode }) {
  return (
    <span id={id} className={`block min-h-4 text-xs ${error ? 'text-fail' : 'text-ink-3'}`}>
      {error ?? children}
    </span>
  )
}

interface SelectProps<T extends number> {
  name: keyof Draft
  label: string
  value: T
  options: readonly T[]
  text: (value: T) => string
  error: string | undefined
}

function Select<T extends number>({ name, label, value, options, text, error }: SelectProps<T>) {
  return (
    <label className="grid gap-1">
      <span className="text-xs font-medium text-ink-2">{label}</span>
      <select
        className="control px-2 font-mono"
        value={value}
        aria-describedby={`${name}-hint`}
        aria-invalid={error !== undefined}
        onChange={(event) => setDraft({ [name]: Number(event.target.value) })}
      >
        {options.map((option) => (
          <option key={option} value={option}>
            {text(option)}
          </option>
        ))}
      </select>
      <Hint id={`${name}-hint`} error={error}>
        {null}
      </Hint>
    </label>
  )
}

/** How many takes, how long, from which seed, and in which format. */
export function Controls({ draft, fields }: { draft: Draft; fields: FieldErrors }) {
  const [unfolded, setUnfolded] = useState(false)
  const formatError = fields.sample_rate ?? fields.bit_depth ?? fields.channels
  const open = unfolded || formatError !== undefined
  const locked = draft.seed !== ''
  return (
    <div>
      <div className="flex flex-wrap gap-x-5 gap-y-2">
        <fieldset className="grid gap-1 max-sm:w-full">
          <legend className="sr-only">Takes</legend>
          <span className="text-xs font-medium text-ink-2" aria-hidden="true">
            Takes
          </span>
          <div className="control takes flex overflow-hidden">
            {TAKES.map((n) => (
              <label key={n} className="take-option">
                <input
                  type="radio"
                  name="takes"
                  value={n}
                  checked={draft.takes === n}
                  aria-label={n === 1 ? '1 take' : `${n} takes`}
                  onChange={() => setDraft({ takes: n })}
                  className="sr-only"
                />
                <span aria-hidden="true">{n}</span>
              </label>
            ))}
          </div>
          <Hint id="takes-hint" error={fields.variations}>
            each with a seed of its own
          </Hint>
        </fieldset>

        <label className="grid gap-1">
          <span className="text-xs font-medium text-ink-2">Duration</span>
          <span className="relative">
            <input
              className="control w-28 pr-7 pl-2 font-mono"
              value={draft.duration}
              inputMode="decimal"
              placeholder="auto"
              autoComplete="off"
              aria-describedby="duration-hint"
              aria-invalid={fields.duration !== undefined}
              onChange={(event) => setDraft({ duration: event.target.value })}
            />
            <span className="absolute top-0 right-2.5 flex h-full items-center font-mono text-ink-3" aria-hidden="true">
              s
            </span>
          </span>
          <Hint id="duration-hint" error={fields.duration}>
            0.05 to 30 s
          </Hint>
        </label>

        <div className="grid gap-1">
          <label htmlFor="seed" className="text-xs font-medium text-ink-2">
            Seed
          </label>
          <span className="relative">
            <input
              id="seed"
              className="control w-36 pr-9 pl-2 font-mono"
              value={draft.seed}
              inputMode="numeric"
              placeholder="auto"
              autoComplete="off"
              aria-describedby="seed-hint"
              aria-invalid={fields.seed !== undefined}
              onChange={(event) => setDraft({ seed: event.target.value })}
            />
            {locked && (
              <button
                type="button"
                className="absolute inset-y-0 right-0 flex w-9 items-center justify-center rounded-md text-ink-2 hover:text-ink"
                aria-label="Set the seed back to auto"
                onClick={() => setDraft({ seed: '' })}
              >
                <X size={14} aria-hidden="true" />
              </button>
            )}
          </span>
          <Hint id="seed-hint" error={fields.seed}>
            {locked ? (
              <span className="inline-flex items-center gap-1">
                <Lock size={11} aria-hidden="true" /> locked
              </span>
            ) : (
              'drawn anew each time'
            )}
          </Hint>
        </div>

        <div className="grid gap-1">
          <span className="text-xs font-medium text-ink-2" id="format-label">
            Format
          </span>
          <button
            type="button"
            className="button control font-mono font-normal"
            aria-expanded={open}
            aria-controls="format"
            aria-describedby="format-label"
            onClick={() => setUnfolded(!open)}
          >
            {rate(draft.sampleRate)} · {depth(draft.bitDepth)} · {channels(draft.channels)}
            <ChevronDown size={14} aria-hidden="true" className={open ? 'rotate-180' : ''} />
          </button>
          <Hint id="format-hint" error={open ? undefined : formatError}>
            WAV
          </Hint>
        </div>
      </div>

      <div id="format" hidden={!open} className="mt-2 flex flex-wrap gap-x-5 gap-y-2">
        <Select name="sampleRate" label="Sample rate" value={draft.sampleRate} options={SAMPLE_RATES} text={rate} error={fields.sample_rate} />
        <Select name="bitDepth" label="Bit depth" value={draft.bitDepth} options={BIT_DEPTHS} text={depth} error={fields.bit_depth} />
        <Select name="channels" label="Channels" value={draft.channels} options={[1, 2]} text={channels} error={fields.channels} />
      </div>
    </div>
  )
}
