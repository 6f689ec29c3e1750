import type { Directive } from '../../corefile/parse.ts';
import { expectNoBody, fail, zonesOf } from '../../corefile/values.ts';
import { readResolvConf } from '../../forward/resolv-conf.ts';
import { canonicalName } from '../../message/name.ts';
import type { DirectiveContext } from '../plugin.ts';

/** The host's own search list, which pods have after the cluster's. */
const RESOLV_CONF = '/etc/resolv.conf';

/** `autopath [ZONE...] RESOLV-CONF|@kubernetes` */
export interface AutopathConfig {
  readonly zones: readonly string[];
  /** The search list, canonical; with `usesPods` it comes after that of the pod's namespace. */
  readonly search: readonly string[];
  readonly usesPods: boolean;
}

export function parseAutopath(
  [directive]: readonly Directive[],
  context: DirectiveContext,
): AutopathConfig {
  if (directive === undefined) throw new Error('no autopath');
  expectNoBody(directive);
  const source = directive.args.at(-1);
  if (source === undefined) fail(directive.name, 'autopath: expected @kubernetes or a resolv.conf');
  const usesPods = source.text === '@kubernetes';
  if (source.text.startsWith('@') && !usesPods) {
    fail(source, `autopath: expected @kubernetes or a file, got "${source.text}"`);
  }
  let search: readonly string[] = [];
  try {
    ({ search } = readResolvConf(usesPods ? RESOLV_CONF : source.text));
  } catch (error) {
    if (!usesPods) fail(source, `autopath: ${(error as Error).message}`);
  }
  return {
    zones: zonesOf(directive.args.slice(0, -1), context.zones),
    search: search.map(canonicalName),
    usesPods,
  };
}
