-- What an analyst would write in an afternoon: RVU25A's CSV members, typed, priced with DECIMAL, written as Parquet.
-- {members} is the folder of the unzipped members, {out} the folder to write to. Statements end with a semicolon.

create or replace table rvu as
select column00 as hcpcs, coalesce(column01, '') as modifier, column02 as descriptor, column03 as status,
       column05::decimal(6, 2) as work_rvu, column06::decimal(6, 2) as nonfacility_pe_rvu,
       column07 is not null as nonfacility_na,
       column08::decimal(6, 2) as facility_pe_rvu, column09 is not null as facility_na, column10::decimal(6, 2) as mp_rvu,
       column24::decimal(8, 4) as conversion_factor, column28::decimal(6, 2) as opps_nonfacility_pe_rvu,
       column29::decimal(6, 2) as opps_facility_pe_rvu, column30::decimal(6, 2) as opps_mp_rvu,
       columns('column(1[1-9]|2[0-3]|2[5-7])')
from read_csv('{members}/PPRRVU*.csv', skip = 10, header = false, all_varchar = true, null_padding = true)
where length(column00) = 5;

create or replace table gpci as
select column0 as mac, column2 as locality, column3 as locality_name, column4::decimal(5, 3) as work_gpci,
       column5::decimal(5, 3) as pe_gpci, column6::decimal(5, 3) as mp_gpci
from read_csv('{members}/GPCI*.csv', skip = 3, header = false, all_varchar = true, null_padding = true)
where regexp_full_match(column0, '[0-9]{5}');

copy (select * from rvu order by hcpcs, modifier) to '{out}/rvu.parquet' (format parquet, compression zstd);
copy (select * from gpci order by mac, locality) to '{out}/gpci.parquet' (format parquet, compression zstd);

-- payment
copy (
  select 'RVU25A' as release, hcpcs, modifier, mac, locality, 'standard' as basis,
         nonfacility::double as nonfacility_fee, facility::double as facility_fee,
         opps_nonfacility::double as opps_nonfacility_fee, opps_facility::double as opps_facility_fee,
         least(nonfacility, opps_nonfacility)::double as nonfacility_payment,
         least(facility, opps_facility)::double as facility_payment,
         coalesce(opps_nonfacility < nonfacility, false) as nonfacility_capped,
         coalesce(opps_facility < facility, false) as facility_capped, nonfacility_na, facility_na
  from (
    select *, round((work_rvu * work_gpci + nonfacility_pe_rvu * pe_gpci + mp_rvu * mp_gpci) * conversion_factor, 2) as nonfacility,
           round((work_rvu * work_gpci + facility_pe_rvu * pe_gpci + mp_rvu * mp_gpci) * conversion_factor, 2) as facility,
           case when opps_nonfacility_pe_rvu > 0 then
             round((work_rvu * work_gpci + opps_nonfacility_pe_rvu * pe_gpci + opps_mp_rvu * mp_gpci) * conversion_factor, 2)
           end as opps_nonfacility,
           case when opps_facility_pe_rvu > 0 then
             round((work_rvu * work_gpci + opps_facility_pe_rvu * pe_gpci + opps_mp_rvu * mp_gpci) * conversion_factor, 2)
           end as opps_facility
    from rvu, gpci
    where status in ('A', 'R', 'T') and work_rvu + nonfacility_pe_rvu + facility_pe_rvu + mp_rvu > 0
  )
  order by hcpcs, modifier, mac, locality
) to '{out}/payment.parquet' (format parquet, compression zstd);
