/**
 * The ADE20K classes that an IDD class takes its first weights from, by the names of both sets. ADE20K has nothing like
 * parking, rider, autorickshaw, vehicle fallback, curb, traffic sign and obs-str-bar-fallback.
 */
export const idd26FromAde150: Readonly<Record<string, readonly string[]>> = {
  road: ['road'],
  sidewalk: ['sidewalk'],
  'rail track': ['dirt track'],
  person: ['person'],
  motorcycle: ['minibike'],
  bicycle: ['bicycle'],
  car: ['car'],
  truck: ['truck'],
  bus: ['bus'],
  wall: ['wall'],
  fence: ['fence'],
  'guard rail': ['railing'],
  billboard: ['poster', 'signboard'],
  'traffic light': ['traffic light'],
  pole: ['pole'],
  building: ['building'],
  bridge: ['bridge'],
  vegetation: ['tree'],
  sky: ['sky'],
};
