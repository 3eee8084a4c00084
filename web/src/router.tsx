/** The views and their addresses; each view is loaded when it is first opened, the entry view at once. */
import {
  createBrowserHistory,
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  retainSearchParams,
} from '@tanstack/react-router'
import { Failure } from './parts/Notice.tsx'
import { siteIndexAt } from './state/site.ts'
import {
  parseSearch,
  type RootState,
  readCompare,
  readLatent,
  readLearn,
  readMicroscope,
  readReview,
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

const reviewRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/review',
  validateSearch: readReview,
  component: lazyRouteComponent(() => import('./views/Review.tsx'), 'Review'),
})

const learnRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/learn',
  validateSearch: readLearn,
  component: lazyRouteComponent(() => import('./views/Learn.tsx'), 'Learn'),
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
    reviewRoute,
    learnRoute,
  ]),
  // A file host knows one address only.
  history: siteIndexAt === undefined ? createBrowserHistory() : createHashHistory(),
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
