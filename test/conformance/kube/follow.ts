import type { Access } from '../../../src/cluster/kube/access.ts';
import { KubeSource, type KubeSourceOptions } from '../../../src/cluster/kube/source.ts';
import { type Followed, followSource } from '../../integration/cluster/followed.ts';

const PATIENCE = { timeout: 40_000, interval: 20 };

/** Starts to follow an API server. */
export function follow(
  access: Access,
  limits: KubeSourceOptions['limits'] = {},
  wanted: Partial<KubeSourceOptions> = {},
): Followed<KubeSource> {
  const options: KubeSourceOptions = {
    access,
    userAgent: 'podwire/test',
    nodeName: 'node-1',
    pods: 'none',
    nodes: 'own',
    imports: false,
    limits,
    ...wanted,
  };
  return followSource((part, events) => new KubeSource(part, options, events), {
    ...PATIENCE,
    tellsSynced: false,
  });
}
