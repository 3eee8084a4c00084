/** Starts the explorer: theme, cache, the standing line to the server, router. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/client.ts'
import { keepLive } from './api/live.ts'
import { router } from './router.tsx'
import { setLinkState } from './state/link.ts'
import { siteIndexAt } from './state/site.ts'
import { applyTheme } from './state/theme.ts'
import './styles/index.css'

applyTheme()

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // The line to the server refetches everything when it is back; a refusal does not change by asking again.
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.status >= 502,
    },
  },
})

const root = document.getElementById('root')
if (!root) throw new Error('main: index.html has no element #root')

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
if (siteIndexAt === undefined) void keepLive(client, setLinkState, new AbortController().signal)
