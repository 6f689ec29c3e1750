/** RTN_* (linux/rtnetlink.h): what becomes of a packet a route is found for. */
const ROUTE_TYPES = {
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const;

export type RouteType = keyof typeof ROUTE_TYPES;

export function routeTypeNumber(type: RouteType): number {
  return ROUTE_TYPES[type];
}

/** `unspec` for one this does not know. */
export function routeTypeName(number: number): RouteType {
  return TYPE_NAMES.find((name) => ROUTE_TYPES[name] === number) ?? 'unspec';
}

const TYPE_NAMES = Object.keys(ROUTE_TYPES) as RouteType[];
