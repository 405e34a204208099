import { Moon, Radio, RefreshCw, Sun } from 'lucide-react'
import { useStudio } from '../state/studio'
import { toggleTheme, useTheme } from '../state/theme'

/** How news of running jobs reaches the page, in words. Nothing is said while nothing runs. */
const LINK = {
  idle: null,
  connecting: { text: 'Connecting', title: 'Opening a live connection to the farm' },
  live: { text: 'Live', title: 'Progress arrives as it happens' },
  stream: { text: 'Live', title: 'Progress arrives as it happens (event stream)' },
  polling: { text: 'Checking every 2 s', title: 'No live connection opens here: the state is read every 2 seconds' },
} as const

const VIEWS = [
  { path: '/', name: 'Studio' },
  { path: '/packs', name: 'Packs' },
]

function here(path: string): boolean {
  return path === '/' ? location.pathname === '/' : location.pathname.startsWith(path)
}

export function Header() {
  const link = LINK[useStudio((state) => state.link)]
  const theme = useTheme((state) => state.theme)
  const other = theme === 'dark' ? 'light' : 'dark'
  return (
    <header className="border-b border-line">
      <div className="mx-auto flex h-12 max-w-5xl items-center gap-3 px-4 sm:px-6">
        <a href="/" className="flex items-center gap-2 rounded-md font-semibold tracking-tight">
          <svg viewBox="0 0 32 32" className="size-5 text-signal" aria-hidden="true">
            <path
              d="M4 14v4M9 9v14M14 4v24M19 11v10M24 7v18M29 14v4"
              fill="none"
              stroke="currentColor"
              strokeWidth="2.5"
              strokeLinecap="round"
            />
          </svg>
          PatchLAB
        </a>
        <nav aria-label="Views" className="flex items-center gap-1">
          {VIEWS.map(({ path, name }) => (
            <a
              key={path}
              href={path}
              aria-current={here(path) ? 'page' : undefined}
              className="button aria-[current=page]:bg-raised aria-[current=page]:text-ink"
            >
              {name}
            </a>
          ))}
        </nav>
        <div className="ml-auto flex items-center gap-2">
          {link && (
            <span className="flex items-center gap-1.5 text-xs text-ink-2" title={link.title}>
              {link.text === 'Live' ? (
                <Radio size={14} className="text-signal" aria-hidden="true" />
              ) : (
                <RefreshCw size={14} className="text-amber" aria-hidden="true" />
              )}
              {link.text}
            </span>
          )}
          <button type="button" className="button -mr-2" onClick={toggleTheme} aria-label={`Switch to the ${other} theme`}>
            {theme === 'dark' ? <Sun size={16} aria-hidden="true" /> : <Moon size={16} aria-hidden="true" />}
          </button>
        </div>
      </div>
    </header>
  )
}
