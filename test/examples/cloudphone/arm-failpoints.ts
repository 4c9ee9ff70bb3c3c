// Loaded before a service by `node --import`: has it crash or freeze where FAILPOINTS says.
import { armFailpoints } from '../../../shared/runtime/failpoint.ts';

armFailpoints(process.env.FAILPOINTS);
