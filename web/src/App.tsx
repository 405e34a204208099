import { Announcer } from './components/Announcer'
import { Header } from './components/Header'
import { NotFound } from './components/NotFound'
import { Studio } from './components/Studio'

export function App() {
  const known = location.pathname === '/'
  return (
    <>
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10 focus:rounded-md focus:bg-raised focus:p-2"
      >
        Skip to the content
      </a>
      <Header />
      {known ? <Studio /> : <NotFound />}
      <Announcer />
    </>
  )
}
