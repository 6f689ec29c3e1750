import type { MasqueradeBackend } from '../masquerade/backend.ts';
import { parseMasquerade } from '../masquerade/masquerade.ts';
import { hasIpam } from '../protocol/delegate.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns } from '../protocol/result.ts';
import { decodeDns } from '../protocol/result-decode.ts';

/** The fields of the plugin, besides `ipam`. */
export interface PtpConfig {
  /** In bytes; the kernel's default without it. */
  readonly mtu: number | undefined;
  /** Duplicate address detection for IPv6; it costs one to two seconds. */
  readonly enabledad: boolean;
  readonly masquerade: MasqueradeBackend | undefined;
  /** Takes the place of what IPAM says when any field of it is there, be it empty. */
  readonly dns: Dns | undefined;
}

/** Reads the configuration. Throws CniError. */
export function parsePtpConfig(call: Call): PtpConfig {
  const { fields } = call.config;
  if (!hasIpam(call)) {
    const details = 'ipam.type: expected the name of an IPAM plugin, got nothing';
    throw new CniError(CNI_CODE.invalidConfig, 'no plugin name provided', details);
  }
  const mtu = fields.integer('mtu');
  if (mtu !== undefined && mtu < 0) throw fields.wrong('mtu', 'a size in bytes', mtu);
  const dns = decodeDns(fields.object('dns'));
  return {
    mtu: mtu || undefined,
    enabledad: fields.boolean('enabledad'),
    masquerade: parseMasquerade(fields),
    dns: Object.keys(dns).length === 0 ? undefined : dns,
  };
}
