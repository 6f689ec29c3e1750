import type { ResourceStatus, ServerStatus } from '../../cluster/server-source.ts';
import type { Problems } from './registry.ts';

/** What can be wrong with following a server. */
export type SourceProblems = Readonly<
  Record<'source-away' | 'objects-refused' | 'serving-saved-state', Problems>
>;

/** What is wrong with following a server, as far as its status tells. Pure. */
export function sourceProblems(status: ServerStatus): SourceProblems {
  const { server, restoredFromMs, resources } = status;
  // An error beside a watch that runs is about an object that came by it.
  const isHeard = ({ state }: ResourceStatus) => state === 'watching';
  const away = resources.find((each) => !isHeard(each) && each.error !== undefined);
  const refused = resources.flatMap((each) =>
    isHeard(each) && each.error !== undefined ? [[each.path, each.error] as const] : [],
  );
  return {
    'source-away': away?.error === undefined ? undefined : new Map([[server, away.error]]),
    'objects-refused': new Map(refused),
    'serving-saved-state':
      restoredFromMs === undefined
        ? undefined
        : `saved ${new Date(restoredFromMs).toISOString()} from ${server}`,
  };
}
