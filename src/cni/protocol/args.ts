import { CNI_CODE, CniError } from './error.ts';

/**
 * Reads CNI_ARGS, `KEY=value;KEY=value`, for the keys a plugin knows. Others are an error unless
 * IgnoreUnknown is set, as Kubernetes does. Throws CniError.
 */
export function parseArgs(args: string, known: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of args.split(';')) {
    if (pair === '') continue;
    const [key, value, ...rest] = pair.split('=');
    if (key === undefined || value === undefined || rest.length > 0) {
      throw new CniError(CNI_CODE.invalidEnvironment, `CNI_ARGS: invalid pair "${pair}"`);
    }
    pairs.set(key, value);
  }
  const ignoreUnknown = /^(1|true)$/i.test(pairs.get('IgnoreUnknown') ?? '');
  pairs.delete('IgnoreUnknown');
  const unknown = [...pairs.keys()].filter((key) => !known.includes(key));
  if (unknown.length > 0 && !ignoreUnknown) {
    throw new CniError(
      CNI_CODE.invalidEnvironment,
      `CNI_ARGS: unknown args ${JSON.stringify(unknown)}`,
    );
  }
  return pairs;
}
