/** Which clients are served, by their addresses (`ClientAddressFilter`, `addressfilter` of rules). */
import ipaddr from 'ipaddr.js';
import { invalidOption } from '../../errors.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Addresses whose first `bits` bits are those of `address`. */
interface Network {
  readonly address: Address;
  readonly bits: number;
}

/** Lists stay the same from request to request. */
const PARSED = new WeakMap<readonly string[], readonly Network[]>();

/**
 * Whether `address` lies in one of the networks: single addresses, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fd00::/8`. An
 * IPv4 address is the same when it is mapped into IPv6. No network at all allows every address, and any network none
 * that cannot be read. The list must not change once it was given. Throws `INVALID_OPTION` as {@link checkNetworks}.
 */
export function isAddressAllowed(address: string, networks: readonly string[]): boolean {
  if (networks.length === 0) return true;
  let parsed = PARSED.get(networks);
  if (parsed === undefined) {
    parsed = networks.map((network) => parseNetwork(network, 'clientAddressFilter'));
    PARSED.set(networks, parsed);
  }
  const client = parseAddress(address);
  return client !== null && parsed.some((network) => isWithin(client, network));
}

/** Throws `INVALID_OPTION` in the name of `option` for the first network that is none. */
export function checkNetworks(networks: readonly string[], option = 'clientAddressFilter'): void {
  for (const network of networks) parseNetwork(network, option);
}

/** The networks of a list written with commas. Throws `INVALID_OPTION`. */
export function readNetworks(text: string, option = 'clientAddressFilter'): readonly string[] {
  const networks = text.split(/[\s,]+/).filter((network) => network !== '');
  checkNetworks(networks, option);
  return networks;
}

function isWithin(client: Address, { address, bits }: Network): boolean {
  return client.kind() === address.kind() && client.match(address, bits);
}

function parseNetwork(text: string, option: string): Network {
  const [written = '', mask, ...more] = text.split('/');
  const address = parseAddress(written);
  if (address === null || more.length > 0)
    throw invalidOption(option, text, 'addresses and networks like 10.0.0.0/8 or fd00::/8');
  // A mapped IPv4 address has the 96 bits before it, too, in the length of its prefix.
  const mapped = address.kind() === 'ipv4' && written.includes(':') ? 96 : 0;
  const most = address.kind() === 'ipv4' ? 32 : 128;
  const bits = mask === undefined ? most : prefixOf(mask) - mapped;
  if (!(bits >= 0 && bits <= most)) throw invalidOption(option, text, `networks with a prefix of up to ${most} bits`);
  return { address, bits };
}

/** Bits of `24` or `255.255.255.0`; NaN for anything else. */
function prefixOf(mask: string): number {
  if (/^\d{1,3}$/.test(mask)) return Number(mask);
  if (!ipaddr.IPv4.isValidFourPartDecimal(mask)) return Number.NaN;
  return ipaddr.IPv4.parse(mask).prefixLengthFromSubnetMask() ?? Number.NaN;
}

function parseAddress(text: string): Address | null {
  if (!text.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : null;
  // The zone says by which interface, not from where.
  const bare = text.replace(/%.*$/s, '');
  return ipaddr.IPv6.isValid(bare) ? ipaddr.process(bare) : null;
}
