/** The views and their addresses; each view is loaded when it is first opened, the entry view at once. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  retainSearchParams,
} from '@tanstack/react-router'
import { Failure } from './parts/Notice.tsx'
import {
  parseSearch,
  type RootState,
  readCompare,
  readLatent,
  readMicroscope,
  readRoot,
  readSearch,
  readSteer,
  readSuite,
  stringifySearch,
} from './state/urlState.ts'
import { Microscope } from './views/Microscope.tsx'
import { NotFound } from './views/NotFound.tsx'
import { Shell } from './views/Shell.tsx'

const rootRoute = createRootRoute({
  validateSearch: readRoot,
  search: { middlewares: [retainSearchParams<RootState>(['dock'])] },
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error }) => <Failure error={error} />,
})

const microscopeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  validateSearch: readMicroscope,
  component: Microscope,
})

const latentRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/latent/$sae/$index',
  validateSearch: readLatent,
  component: lazyRouteComponent(() => import('./views/Latent.tsx'), 'Latent'),
})

const searchRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/search',
  validateSearch: readSearch,
  component: lazyRouteComponent(() => import('./views/Search.tsx'), 'Search'),
})

const steerRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/steer',
  validateSearch: readSteer,
  component: lazyRouteComponent(() => import('./views/Steer.tsx'), 'Steer'),
})

const suiteRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/suite',
  validateSearch: readSuite,
  component: lazyRouteComponent(() => import('./views/Suite.tsx'), 'Suite'),
})

const compareRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/compare',
  validateSearch: readCompare,
  component: lazyRouteComponent(() => import('./views/Compare.tsx'), 'Compare'),
})

/** The explorer's router. */
export const router = createRouter({
  routeTree: rootRoute.addChildren([
    microscopeRoute,
    latentRoute,
    searchRoute,
    steerRoute,
    suiteRoute,
    compareRoute,
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: false,
  scrollRestoration: true,
  defaultErrorComponent: ({ error }) => <Failure error={error} />,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
