// group.glsl - one group of channels of one picture: where its elements lie.
//
// Groups are numbered picture by picture, as mean and invstd {n,groups,1,1} are. Within a group
// elements are numbered along the channels first. The group normalisations divide all groups of all
// pictures among the workgroups, however many of those there are.
#ifndef REP_GROUP_GLSL
#define REP_GROUP_GLSL

struct group_part {
    uint first;   // index of the group's first element
    uint channel; // its first channel
    uint size;    // its channels
    uint columns; // those of the picture
    uint count;   // its elements
};

group_part group_of(uint index) {
    const uint groups = args.p.groups, columns = uint(args.x_shape.y);
    const uint pixels = uint(args.x_shape.z) * uint(args.x_shape.w);
    group_part part;
    part.size = columns / groups;
    part.columns = columns;
    part.channel = index % groups * part.size;
    part.first = index / groups * pixels * columns + part.channel;
    part.count = pixels * part.size;
    return part;
}

uint group_total() { return uint(args.x_shape.x) * args.p.groups; }

// Where element i of the group lies; its channel is group_channel.
uint group_at(group_part part, uint i) {
    const uint pixel = i / part.size;
    return part.first + pixel * part.columns + (i - pixel * part.size);
}
uint group_channel(group_part part, uint i) { return part.channel + i % part.size; }

#endif
