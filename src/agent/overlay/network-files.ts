import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import { writeFileAtomic } from '../../sys/atomic-file.ts';
import type { OverlaySettings } from './settings.ts';

/** The bridge pods are on, as flannel's CNI plugin has it. */
const BRIDGE = 'cni0';

/**
 * Puts the facts and then the CNI configuration where they are read, each whole or not at all, and only
 * where they are not there already. The configuration comes last: a runtime that sees it may wire
 * pods. Throws the errors of the file system.
 */
export function writeNetworkFiles(
  settings: OverlaySettings,
  subnets: readonly Prefix[],
  mtu: number,
): void {
  const { subnetFile, cniConfig } = settings;
  if (subnetFile !== undefined) ensureFile(subnetFile, subnetFacts(settings, subnets, mtu));
  if (cniConfig !== undefined) ensureFile(cniConfig, conflist(subnets, mtu));
}

/** The node's subnets by the file of an earlier time; none where there is no such file. */
export function savedSubnets({ subnetFile }: OverlaySettings): Prefix[] {
  const text = (subnetFile === undefined ? undefined : contentOf(subnetFile)) ?? '';
  return [...text.matchAll(/^FLANNEL_(?:IPV6_)?SUBNET=(.*)$/gm)].flatMap(
    ([, subnet = '']) => tryParsePrefix(subnet)?.masked() ?? [],
  );
}

/** Whoever reads it may be anybody, such as a runtime in a container. */
const MODE = 0o644;

function ensureFile(path: string, text: string): void {
  if (contentOf(path) === text) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileAtomic(path, text, MODE);
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Written anew, or the error is that of writing.
    return undefined;
  }
}

/** The variables of /run/flannel/subnet.env. */
function subnetFacts(
  { network, masquerade }: OverlaySettings,
  subnets: readonly Prefix[],
  mtu: number,
): string {
  const lines = ([4, 6] as const).flatMap((family) => {
    const prefix = family === 4 ? 'FLANNEL' : 'FLANNEL_IPV6';
    const ofFamily = ({ addr }: Prefix): boolean => addr.family === family;
    const subnet = subnets.find(ofFamily);
    if (subnet === undefined) return [];
    const networks = network.filter(ofFamily).join(',');
    const first = subnet.first().next() ?? subnet.first();
    return [`${prefix}_NETWORK=${networks}`, `${prefix}_SUBNET=${first}/${subnet.bits}`];
  });
  return [...lines, `FLANNEL_MTU=${mtu}`, `FLANNEL_IPMASQ=${masquerade}`, ''].join('\n');
}

/** Pods on a bridge, with the node's subnets as their ranges. The overlay is the agent's business. */
function conflist(subnets: readonly Prefix[], mtu: number): string {
  const plugins = [
    {
      type: 'bridge',
      bridge: BRIDGE,
      mtu,
      isDefaultGateway: true,
      hairpinMode: true,
      ipMasq: false,
      ipam: { type: 'host-local', ranges: subnets.map((subnet) => [{ subnet: `${subnet}` }]) },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ];
  return `${JSON.stringify({ cniVersion: '1.1.0', name: 'podwire', plugins }, undefined, 2)}\n`;
}
