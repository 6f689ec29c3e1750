/* Routes, as those see them who use them; how it is done is in the folder route/. */
export { defaultRouteList, type RouteFilter, routeGet, routeList } from './route/find.ts';
export type { KernelRoute, Route } from './route/route.ts';
export { TABLE_MAIN } from './route/table.ts';
export { routeAdd, routeAppend, routeDel, routePrepend, routeReplace } from './route/verbs.ts';
