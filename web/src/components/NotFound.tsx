import { useEffect } from 'react'

export function NotFound() {
  useEffect(() => {
    document.title = 'No such page · PatchLAB'
  }, [])
  return (
    <main id="main" className="mx-auto max-w-5xl px-4 py-16 sm:px-6">
      <p className="font-mono text-xs text-ink-3">404</p>
      <h1 className="mt-2 text-lg font-semibold">There is no page here.</h1>
      <p className="mt-2 break-all text-ink-2">
        Nothing answers at <code className="font-mono text-ink">{location.pathname}</code>. The address may be mistyped, or
        the page has gone.
      </p>
      <a href="/" className="button button-line mt-6">
        Go to the Studio
      </a>
    </main>
  )
}
