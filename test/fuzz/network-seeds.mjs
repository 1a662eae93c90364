// Seeds of networks: archives as the target `network` wants them, and source files for `network-code`.
import { inflateRawSync } from 'node:zlib';

const sources = {
  scripted: ['checkpoints/scripted.pt', /__torch__\.py$/],
  foreign: ['torchscript/foreign.pt', /__torch__\.py$/],
  conv: ['torchscript/foreign.pt', /modules\/conv\.py$/],
  container: ['torchscript/foreign.pt', /container\.py$/],
  quantised: ['torchscript/quantised.pt', /quantized\/modules\.py$/],
  functional: ['torchscript/quantised.pt', /nn\/functional\.py$/],
};

const grammar = [
  'class N(NamedTuple):\n  a : int\n  b : Tensor\n',
  'class I(Interface):\n  def f(self: __torch__.I, x: int) -> int:\n    pass\n',
  'class M(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n  w : Tensor\n  c : Final[int] = 3\n',
  '  __annotations__["0"] = Dict[str, List[Optional[Tensor]]]\n',
  '  def __setstate__(self: __torch__.M, state: Tuple[Tensor, bool]) -> NoneType:\n',
  '    self.w = (state)[0]\n    return None\n',
  '  def __getstate__(self: __torch__.M) -> Tuple[Tensor, bool]:\n    return (self.w, True)\n',
  '  def f(self: __torch__.M, x: Tensor, n: Optional[int]=None) -> Tuple[Tensor, int]:\n',
  '    _0 = __torch__.g\n    if torch.__is__(n, None):\n      k = 1\n    else:\n      k = unchecked_cast(int, n)\n',
  '    for i in range(k):\n      x = torch.add(x, CONSTANTS.c0, alpha=-1.5e-3)\n',
  '    while torch.gt(k, 10):\n      k -= 2\n    y = annotate(List[int], [])\n    a, b, = (x[..., None, 1:2:-1], k)\n',
  '    z = {"a\\n": x, "b": (a if True else x)}\n    ops.prim.RaiseException("no", "e")\n',
  '    assert not k == 1, "no"\n    return (_0(x), k)\n',
  'def g(x: Tensor) -> Tensor:  # a comment\n  return (x).t_().relu() @ -x ** 2 \\\n    + 1j // 3 << 2 | 1\n',
].join('');

/** The paths of the seeds and their bytes; `fixture` gives the bytes of a file of test/fixtures. */
export function* networkSeeds(fixture) {
  const entriesOf = (name) => entriesIn(fixture(name));
  for (const name of ['checkpoints/scripted.pt', 'torchscript/no-head.pt', 'torchscript/no-decode.pt']) {
    const kept = entriesOf(name).filter(
      ({ name: entry }) => !/debug_pkl|byteorder|serialization_id/.test(entry),
    );
    const parts = kept.flatMap(({ name: entry, data }) => [Buffer.from(`\x1e\x1f${entry}\n`), data]);
    yield [
      `network/${name.replace(/.*\//, '').replace('.', '-')}`,
      Buffer.concat([Buffer.from([0]), ...parts]),
    ];
  }
  for (const [name, [file, source]] of Object.entries(sources))
    yield [`network-code/${name}`, entriesOf(file).find((entry) => source.test(entry.name)).data];
  yield ['network-code/grammar', grammar];
}

/** The entries of an archive, unpacked. */
function entriesIn(bytes) {
  const end = bytes.lastIndexOf('PK\x05\x06');
  let at = bytes.readUInt32LE(end + 16);
  return Array.from({ length: bytes.readUInt16LE(end + 10) }, () => {
    const [method, packed, nameSize, extra] = [10, 20, 28, 30].map((place, i) =>
      i === 1 ? bytes.readUInt32LE(at + place) : bytes.readUInt16LE(at + place),
    );
    const local = bytes.readUInt32LE(at + 42);
    const begin = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const data = bytes.subarray(begin, begin + packed);
    const name = bytes.toString('utf8', at + 46, at + 46 + nameSize);
    at += 46 + nameSize + extra + bytes.readUInt16LE(at + 32);
    return { name, data: method === 8 ? inflateRawSync(data) : data };
  });
}
