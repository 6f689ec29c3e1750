import { bridge } from '../bridge/plugin.ts';
import { runAsPlugin } from '../executable.ts';
import { vxlanPlugin } from '../vxlan/plugin.ts';

// It wires its pods by bridge, which it is given and does not import.
runAsPlugin(vxlanPlugin(bridge));
