import { Announcer } from './components/Announcer'
import { Header } from './components/Header'
import { NotFound } from './components/NotFound'
import { PackPage } from './components/PackPage'
import { PacksPage } from './components/PacksPage'
import { Studio } from './components/Studio'

export function App() {
  return (
    <>
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10 focus:rounded-md focus:bg-raised focus:p-2"
      >
        Skip to the content
      </a>
      <Header />
      <Page path={location.pathname} />
      <Announcer />
    </>
  )
}

/** The view of an address. Each is a document of its own: leaving one ends what it watches. */
function Page({ path }: { path: string }) {
  const pack = /^\/packs\/([0-9a-f-]{36})$/.exec(path)?.[1]
  if (pack !== undefined) return <PackPage id={pack} />
  if (path === '/packs') return <PacksPage />
  return path === '/' ? <Studio /> : <NotFound />
}
