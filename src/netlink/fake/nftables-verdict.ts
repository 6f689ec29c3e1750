import { parseRaw, text } from './raw-attributes.ts';

const NFTA_DATA_VERDICT = 2; // linux/netfilter/nf_tables.h
const NFTA_VERDICT_CHAIN = 2;

/** The chain that the verdict in NFTA_DATA_* goes to, if it is one that goes somewhere. */
export function verdictChain(data: Uint8Array | undefined): string | undefined {
  const verdict = parseRaw(data ?? new Uint8Array()).get(NFTA_DATA_VERDICT);
  return text(parseRaw(verdict ?? new Uint8Array()).get(NFTA_VERDICT_CHAIN));
}
