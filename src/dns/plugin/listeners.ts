import type { Configuration, ConfiguredBlock } from './configure.ts';

/** A zone that is asked for at a listener, and what it is answered with. */
export interface ServedZone {
  readonly zone: string;
  readonly block: ConfiguredBlock;
}

/** Where queries come in, and by which server blocks they are answered. */
export interface Listener {
  /** The same for the same addresses and port, so that a changed Corefile finds what is open. */
  readonly key: string;
  /** As CoreDNS calls it in metrics, such as `dns://:53`. */
  readonly label: string;
  readonly port: number;
  readonly addresses: readonly string[];
  /** The longest first. */
  readonly zones: readonly ServedZone[];
}

/**
 * The listeners a configuration wants: one for each port on `addresses`, and one for each port and
 * address that `bind` names.
 */
export function listenersOf(
  { blocks }: Configuration,
  addresses: readonly string[],
): readonly Listener[] {
  const listeners = new Map<string, Listener & { zones: ServedZone[] }>();
  for (const block of blocks) {
    const bound = block.addresses.map((each) => [each]);
    for (const { zone, port } of block.block.keys) {
      for (const each of bound.length === 0 ? [addresses] : bound) {
        const host = bound.length === 0 ? '' : bracketed(each[0] ?? '');
        const key = `${each.join(' ')} ${port}`;
        const listener = listeners.get(key) ?? {
          key,
          label: `dns://${host}:${port}`,
          port,
          addresses: each,
          zones: [],
        };
        listener.zones.push({ zone, block });
        listeners.set(key, listener);
      }
    }
  }
  for (const { zones } of listeners.values()) zones.sort((a, b) => b.zone.length - a.zone.length);
  return [...listeners.values()];
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
