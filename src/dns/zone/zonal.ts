import type { EndpointAddress } from './endpoints.ts';
import type { PlannedName } from './names.ts';

/**
 * The names of a headless Service by topology zone, as CoreDNS's option `zonal`: below
 * `pin._zone` only the endpoints in the zone, and nothing where it has none; below `prefer._zone` all
 * of them then. `srvOf` gives the SRV records of endpoints.
 */
export function planZonal(
  own: string,
  endpoints: readonly EndpointAddress[],
  srvOf: (endpoints: readonly EndpointAddress[]) => Pick<PlannedName, 'srv'>,
): PlannedName[] {
  const names = new Map<string, PlannedName>();
  names.set(`_zone.${own}`, { name: `_zone.${own}` });
  for (const [directive, below] of [
    ['pin', 'empty'],
    ['prefer', 'service'],
  ] as const) {
    const parent = `${directive}._zone.${own}`;
    names.set(parent, { name: parent, before: 2, below });
    for (const [zone, group] of Map.groupBy(endpoints, ({ zone }) => zone?.toLowerCase())) {
      if (zone === undefined || !isName(zone)) continue;
      const labels = zone.split('.');
      // A zone may have dots, and then there are names between it and the directive.
      for (let from = 1; from < labels.length; from += 1) {
        const name = `${labels.slice(from).join('.')}.${parent}`;
        if (!names.has(name)) names.set(name, { name, before: labels.length - from + 2, below });
      }
      const name = `${zone}.${parent}`;
      names.set(name, {
        name,
        addresses: group.map(({ addr }) => addr),
        before: labels.length + 2,
        ...srvOf(group),
      });
    }
  }
  return [...names.values()];
}

function isName(zone: string): boolean {
  return zone.split('.').every((label) => label.length > 0 && label.length <= 63);
}
