import { runAsPlugin } from '../executable.ts';
import { staticIpam } from '../static/plugin.ts';

runAsPlugin(staticIpam);
