import type { Sound } from '../api/types'
import { changed } from '../lib/changes'
import { plural } from '../lib/format'

/** What a variation changed, parameter by parameter. */
export function Changes({ sound }: { sound: Sound }) {
  const variation = sound.explanation.variation
  if (!variation) return null
  const lines = variation.changes.map((change) => changed(change, sound.patch.layers.length))
  return (
    <div className="mt-1 mr-1.5 w-full rounded-md border border-line bg-well">
      <div className="flex h-9 items-center justify-between gap-3 border-b border-line px-3">
        <h4 className="font-medium">What changed</h4>
        <p className="truncate">
          <span className="font-mono text-ink">{plural(lines.length, 'parameter')}</span> at distance{' '}
          <span className="font-mono text-ink">{variation.distance.toFixed(2)}</span>
        </p>
      </div>
      {lines.length === 0 ? (
        <p className="px-3 py-2">Only the seed: other noise and phases.</p>
      ) : (
        <ul
          className="grid max-h-40 grid-cols-1 gap-x-4 overflow-y-auto px-3 py-2 -outline-offset-2 @lg:grid-cols-2"
          // A stretch that scrolls must be reached by the keyboard.
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          aria-label={`What take ${sound.position + 1} changed`}
        >
          {lines.map((line) => (
            <li key={line.path} className="flex min-w-0 justify-between gap-3">
              <span className="truncate" title={line.path}>
                {line.name}
              </span>
              <span className="shrink-0 font-mono text-ink">
                {line.from} → {line.to}
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
