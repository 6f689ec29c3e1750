import type { Sync } from '../../proxy/proxy.ts';
import type { DegradedName } from './degraded-states.ts';
import type { Problems } from './registry.ts';

/** What an attempt to make the kernel follow says is wrong, or is not. Pure. */
export function syncProblems({
  error,
  result,
  conflicts,
}: Pick<Sync, 'error' | 'result' | 'conflicts'>): readonly (readonly [DegradedName, Problems])[] {
  const all: (readonly [DegradedName, Problems])[] = [
    ['sync-failing', error?.message],
    [
      'service-conflict',
      new Map(conflicts.map(({ winner, loser }) => [loser, `${winner} has it`])),
    ],
  ];
  // A sync that failed says nothing of single Services.
  if (result !== undefined) {
    const refused = result.quarantined.map(
      ({ route, error: { message } }) => [route.name, message] as const,
    );
    all.push(['service-quarantined', new Map(refused)]);
  }
  return all;
}
