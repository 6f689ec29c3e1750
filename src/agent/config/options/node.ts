import { option } from '../option.ts';
import { address, boolean, listOf, text } from '../value-type.ts';

/** The node this is. */
export const NODE = {
  'node.name': option({
    flag: 'hostname-override',
    type: text("a node's name", (value) => {
      if (value === '' || value.trim() !== '') return value.trim().toLowerCase();
      throw new Error(`expected a node's name, got "${value}"`);
    }),
    default: '',
    defaultDoc: "the host's name",
    doc: "the node's name, as EndpointSlices have it; by default the host's",
    change: 'restart',
    kubeProxy: ({ nodeName }) => nodeName,
  }),
  'node.register': option({
    flag: 'register-node',
    type: boolean,
    default: false,
    doc: 'keep a Node for this node in etcd, which goes away half a minute after the agent does',
    change: 'restart',
    needs: ['sources.etcd.endpoints'],
  }),
  'node.addresses': option({
    flag: 'node-ip',
    type: listOf(address),
    default: [],
    defaultDoc: 'those of the default routes',
    doc: 'the addresses the node registers with, at most one of each family',
    change: 'restart',
    needs: ['node.register'],
  }),
};
