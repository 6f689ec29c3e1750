import { CNI_CODE, CniError } from './error.ts';

/**
 * Reads CNI_ARGS, `KEY=value;KEY=value`, for the keys a plugin knows. Others are an error unless
 * IgnoreUnknown is set, as Kubernetes does. Throws CniError in the words of the Go library.
 */
export function parseArgs(args: string, known: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  if (args === '') return pairs;
  const unknown: string[] = [];
  for (const pair of args.split(';')) {
    const [key, value, ...rest] = pair.split('=');
    if (key === undefined || value === undefined || rest.length > 0) {
      throw invalid(`invalid pair ${JSON.stringify(pair)}`);
    }
    if (key !== 'IgnoreUnknown' && !known.includes(key)) unknown.push(pair);
    pairs.set(key, value);
  }
  if (!ignoresUnknown(pairs.get('IgnoreUnknown')) && unknown.length > 0) {
    throw invalid(`unknown args [${unknown.map((pair) => JSON.stringify(pair)).join(' ')}]`);
  }
  return pairs;
}

function ignoresUnknown(value: string | undefined): boolean {
  if (value === undefined || /^(0|false)$/i.test(value)) return false;
  if (/^(1|true)$/i.test(value)) return true;
  const pair = JSON.stringify(`IgnoreUnknown=${value}`);
  throw invalid(
    `error parsing value of pair ${pair}: boolean unmarshal error: invalid input ${value}`,
  );
}

function invalid(what: string): CniError {
  return new CniError(CNI_CODE.invalidEnvironment, `ARGS: ${what}`);
}
